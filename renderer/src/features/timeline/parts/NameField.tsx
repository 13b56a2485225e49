import { useEffect, useRef } from "react";
import { isComposing } from "../../../actions/shortcuts.ts";
import styles from "./NameField.module.css";

interface NameFieldProps {
  readonly label: string;
  readonly value: string;
  readonly maxLength: number;
  readonly onCommit: (value: string) => void;
  readonly onClose: () => void;
}

/** A name edited in its place: Enter and leaving keep it, Esc does not. */
export function NameField({ label, value, maxLength, onCommit, onClose }: NameFieldProps) {
  const input = useRef<HTMLInputElement>(null);
  const cancelled = useRef(false);
  useEffect(() => {
    input.current?.focus();
    input.current?.select();
  }, []);
  return (
    <input
      ref={input}
      className={styles.field}
      aria-label={label}
      defaultValue={value}
      maxLength={maxLength}
      onKeyDown={(event) => {
        event.stopPropagation();
        // Enter that ends an input method's choice is not ours.
        if (isComposing(event.nativeEvent)) return;
        if (event.key === "Escape") cancelled.current = true;
        if (event.key === "Enter" || event.key === "Escape") event.currentTarget.blur();
      }}
      onBlur={(event) => {
        const next = event.currentTarget.value.trim();
        if (!cancelled.current && next !== value) onCommit(next);
        onClose();
      }}
    />
  );
}
