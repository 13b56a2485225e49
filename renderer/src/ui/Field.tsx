import { TriangleAlert } from "lucide-react";
import { useId, type ComponentProps, type ReactNode } from "react";
import { classes } from "./classes.ts";
import styles from "./Field.module.css";

interface FieldProps {
  readonly label: string;
  /** The label is for screen readers only; the place says it to the eye. */
  readonly labelHidden?: boolean;
  readonly hint?: ReactNode;
  /** The sentence about what is wrong, shown at the field. */
  readonly problem?: string | null;
}

interface FrameProps extends FieldProps {
  readonly children: (ids: { readonly id: string; readonly describedBy: string | undefined; readonly invalid: boolean }) => ReactNode;
}

/** Label above, hint or problem below, joined for screen readers. */
export function Field({ label, labelHidden = false, hint, problem, children }: FrameProps) {
  const id = useId();
  const wrong = problem !== null && problem !== undefined && problem !== "";
  const described = wrong || hint !== undefined;
  return (
    <div className={styles.field}>
      <label htmlFor={id} className={labelHidden ? "visually-hidden" : styles.label}>
        {label}
      </label>
      {children({ id, describedBy: described ? `${id}-note` : undefined, invalid: wrong })}
      {described && (
        <p id={`${id}-note`} className={wrong ? styles.problem : styles.hint} role={wrong ? "alert" : undefined}>
          {wrong && <TriangleAlert size={14} aria-hidden="true" />}
          <span>{wrong ? problem : hint}</span>
        </p>
      )}
    </div>
  );
}

export interface TextFieldProps extends FieldProps, Omit<ComponentProps<"input">, "id" | "onChange" | "value"> {
  readonly value: string;
  readonly onChange: (value: string) => void;
}

export function TextField({ label, labelHidden, hint, problem, value, onChange, className, ...rest }: TextFieldProps) {
  return (
    <Field label={label} {...given({ labelHidden, hint, problem })}>
      {({ id, describedBy, invalid }) => (
        <input {...rest} id={id} value={value} onChange={(event) => onChange(event.target.value)} aria-describedby={describedBy} aria-invalid={invalid || undefined} className={classes(styles.input, className)} />
      )}
    </Field>
  );
}

export interface TextAreaProps extends FieldProps, Omit<ComponentProps<"textarea">, "id" | "onChange" | "value"> {
  readonly value: string;
  readonly onChange: (value: string) => void;
}

export function TextArea({ label, labelHidden, hint, problem, value, onChange, className, ...rest }: TextAreaProps) {
  return (
    <Field label={label} {...given({ labelHidden, hint, problem })}>
      {({ id, describedBy, invalid }) => (
        <textarea {...rest} id={id} value={value} onChange={(event) => onChange(event.target.value)} aria-describedby={describedBy} aria-invalid={invalid || undefined} className={classes(styles.input, styles.area, className)} />
      )}
    </Field>
  );
}

/** Optional properties are passed on only where they were given. */
function given(props: { readonly labelHidden: boolean | undefined; readonly hint: ReactNode; readonly problem: string | null | undefined }): Omit<FieldProps, "label"> {
  return {
    ...(props.labelHidden !== undefined && { labelHidden: props.labelHidden }),
    ...(props.hint !== undefined && { hint: props.hint }),
    ...(props.problem !== undefined && { problem: props.problem }),
  };
}
