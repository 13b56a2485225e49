import { Slider as Primitive } from "radix-ui";
import { classes } from "./classes.ts";
import styles from "./Slider.module.css";

export interface SliderProps {
  readonly label: string;
  readonly value: number;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  /** While it is dragged. */
  readonly onChange: (value: number) => void;
  /** Once, when it is let go: the moment to make an undo step. */
  readonly onCommit?: (value: number) => void;
  /** The value in words for screen readers, such as `-3 dB`. */
  readonly valueText?: string;
  readonly disabled?: boolean;
  readonly className?: string | undefined;
}

export function Slider({ label, value, min, max, step, onChange, onCommit, valueText, disabled = false, className }: SliderProps) {
  return (
    <Primitive.Root
      className={classes(styles.slider, className)}
      value={[value]}
      min={min}
      max={max}
      step={step}
      disabled={disabled}
      onValueChange={([next]) => next !== undefined && onChange(next)}
      onValueCommit={([next]) => next !== undefined && onCommit?.(next)}
    >
      <Primitive.Track className={styles.track}>
        <Primitive.Range className={styles.range} />
      </Primitive.Track>
      <Primitive.Thumb className={styles.thumb} aria-label={label} aria-valuetext={valueText} />
    </Primitive.Root>
  );
}
