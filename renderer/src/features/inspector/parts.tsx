import { useState, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { frameOfTimecode, timecode } from "../../../../electron/contract/time.ts";
import type { EditorSession } from "../../editor/editor-session.ts";
import { TextField } from "../../ui/Field.tsx";
import styles from "./Inspector.module.css";

export function Section({ title, children }: { readonly title: string; readonly children: ReactNode }) {
  return (
    <section className={styles.section} aria-label={title}>
      <h2 className={styles.title}>{title}</h2>
      {children}
    </section>
  );
}

/** Facts that cannot be changed here: name and value. */
export function Facts({ facts }: { readonly facts: readonly (readonly [name: string, value: ReactNode])[] }) {
  return (
    <dl className={styles.facts}>
      {facts.map(([name, value]) => (
        <div key={name} className={styles.fact}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

interface TypedFieldProps {
  readonly label: string;
  readonly value: string;
  readonly disabled: boolean;
  readonly hint?: string;
  /** Id of a list of suggestions. */
  readonly list?: string;
  /** Takes what was typed; the sentence to show when it cannot. */
  readonly onCommit: (text: string) => string | null;
}

/** A text that takes effect when it is finished: with Enter or by leaving the field. Esc brings back what was there. */
export function TypedField({ label, value, disabled, hint, list, onCommit }: TypedFieldProps) {
  const [typed, setTyped] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const commit = () => {
    if (typed === null) return;
    const refused = typed === value ? null : onCommit(typed);
    setProblem(refused);
    if (refused === null) setTyped(null);
  };
  return (
    <TextField
      label={label}
      value={typed ?? value}
      disabled={disabled}
      problem={problem}
      {...(hint !== undefined && { hint })}
      {...(list !== undefined && { list })}
      onChange={setTyped}
      onBlur={commit}
      onKeyDown={(event) => {
        if (event.nativeEvent.isComposing) return;
        if (event.key === "Enter") commit();
        if (event.key !== "Escape") return;
        setTyped(null);
        setProblem(null);
      }}
    />
  );
}

/** Start and length of a segment as time codes that can be typed. */
export function PlaceFields({ session, id, start, duration, readOnly }: { readonly session: EditorSession; readonly id: string; readonly start: number; readonly duration: number; readonly readOnly: boolean }) {
  const { t } = useTranslation();
  const edit = (text: string, command: (frame: number) => Parameters<EditorSession["editor"]["edit"]>[0]): string | null => {
    const frame = frameOfTimecode(text);
    if (frame === null) return t("inspector.timeInvalid");
    return session.editor.edit(command(frame)) ? null : t("inspector.notPossible");
  };
  return (
    <div className={styles.pair}>
      <TypedField label={t("inspector.start")} value={timecode(start)} disabled={readOnly} onCommit={(text) => edit(text, (frame) => ({ type: "moveSegments", ids: [id], byFrames: frame - start, byTracks: 0 }))} />
      <TypedField
        label={t("inspector.length")}
        value={timecode(duration)}
        disabled={readOnly}
        onCommit={(text) => edit(text, (frames) => ({ type: "trimSegment", id, edge: "end", toFrame: start + frames, mode: "stop" }))}
      />
    </div>
  );
}
