import { Check, ChevronDown } from "lucide-react";
import { Select as Primitive } from "radix-ui";
import { useId } from "react";
import { classes } from "./classes.ts";
import { useMenuLayer } from "./menu-layer.ts";
import styles from "./Select.module.css";

export interface SelectOption<Value extends string> {
  readonly value: Value;
  readonly label: string;
  /** A second line in the list. */
  readonly hint?: string;
  readonly disabled?: boolean;
}

export interface SelectProps<Value extends string> {
  readonly label: string;
  /** Where the value does not say what it is about, the label stands above it. */
  readonly labelShown?: boolean;
  readonly value: Value;
  readonly options: readonly SelectOption<Value>[];
  readonly onChange: (value: Value) => void;
  readonly disabled?: boolean;
  readonly size?: "small" | "normal";
  readonly className?: string | undefined;
}

export function Select<Value extends string>({ label, labelShown = false, value, options, onChange, disabled = false, size = "normal", className }: SelectProps<Value>) {
  const layer = useMenuLayer();
  const id = useId();
  const change = (next: string) => {
    const option = options.find((one) => one.value === next);
    if (option !== undefined) onChange(option.value);
  };
  const select = (
    <Primitive.Root value={value} onValueChange={change} disabled={disabled}>
      <Primitive.Trigger className={classes(styles.trigger, size === "small" && styles.small, !labelShown && className)} {...(labelShown ? { "aria-labelledby": id } : { "aria-label": label })}>
        <span className={styles.value}>{options.find((one) => one.value === value)?.label ?? ""}</span>
        <ChevronDown size={14} aria-hidden="true" />
      </Primitive.Trigger>
      <Primitive.Portal container={layer}>
        <Primitive.Content className={styles.list} position="popper" sideOffset={4} collisionPadding={8}>
          <Primitive.Viewport>
            {options.map((option) => (
              <Primitive.Item key={option.value} value={option.value} disabled={option.disabled === true} className={styles.item}>
                <span className={styles.check}>
                  <Primitive.ItemIndicator>
                    <Check size={14} aria-hidden="true" />
                  </Primitive.ItemIndicator>
                </span>
                <span>
                  <Primitive.ItemText>{option.label}</Primitive.ItemText>
                  {option.hint !== undefined && <span className={styles.hint}>{option.hint}</span>}
                </span>
              </Primitive.Item>
            ))}
          </Primitive.Viewport>
        </Primitive.Content>
      </Primitive.Portal>
    </Primitive.Root>
  );
  return labelShown ? (
    <div className={classes(styles.labelled, className)}>
      <span id={id} className={styles.label}>
        {label}
      </span>
      {select}
    </div>
  ) : (
    select
  );
}
