import { useEffect, useRef, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { useStore } from "zustand";
import { isComposing } from "../../../actions/shortcuts.ts";
import { LIMITS } from "../../../../../electron/contract/document/limits.ts";
import { useEditor, type EditorSession } from "../../../editor/editor-session.ts";
import { xOfFrame } from "../../../editor/scale.ts";
import { type Row, RULER_HEIGHT } from "../geometry/rows.ts";
import { editInline, type InlineEdit, inlineEditing } from "../inline-editing.ts";
import styles from "./InlineEditors.module.css";
import { NameField } from "./NameField.tsx";

const PROMPT_WIDTH = 320;
const MARKER_WIDTH = 180;

/** Texts edited where they stand: prompts over their segment, marker names in the ruler. */
export function InlineEditors({ session, rows }: { readonly session: EditorSession; readonly rows: readonly Row[] }) {
  const edit = useStore(inlineEditing, (state) => state.edit);
  if (edit === null || edit.kind === "track") return null;
  if (edit.kind === "marker") return <MarkerEditor key={edit.markerId} session={session} markerId={edit.markerId} />;
  const promptRow = rows.find((row) => row.track.kind === "prompt");
  return promptRow === undefined ? null : <PromptEditor key={edit.kind === "prompt" ? edit.segmentId : "new"} session={session} edit={edit} top={RULER_HEIGHT + promptRow.top} />;
}

function PromptEditor({ session, edit, top }: { readonly session: EditorSession; readonly edit: Extract<InlineEdit, { kind: "prompt" | "newPrompt" }>; readonly top: number }) {
  const { t } = useTranslation();
  const area = useRef<HTMLTextAreaElement>(null);
  const cancelled = useRef(false);
  const segment = useEditor(session, (state) => (edit.kind === "prompt" ? state.history.present.prompts.find((one) => one.id === edit.segmentId) : undefined));
  const gone = edit.kind === "prompt" && segment === undefined;
  useEffect(() => {
    if (gone) editInline(null);
  }, [gone]);
  useEffect(() => {
    const field = area.current;
    field?.focus();
    field?.setSelectionRange(0, field.value.length);
  }, []);
  if (gone) return null;
  const start = edit.kind === "newPrompt" ? edit.start : (segment?.start ?? 0);
  const before = segment?.text ?? "";

  const keep = (text: string) => {
    if (cancelled.current || text.trim() === before.trim()) return;
    if (edit.kind === "prompt") session.editor.edit({ type: "setPromptText", id: edit.segmentId, text });
    else if (text.trim() !== "") session.editor.edit({ type: "addSegment", start, ripple: "none", content: { kind: "prompt", text, duration: edit.duration } }, { selectCreated: true });
  };
  return (
    <Placed session={session} frame={start} width={PROMPT_WIDTH} top={top}>
      <textarea
        ref={area}
        className={styles.prompt}
        aria-label={t("timeline.promptText")}
        aria-describedby="timeline-prompt-hint"
        defaultValue={before}
        maxLength={LIMITS.promptCharacters}
        readOnly={session.editor.store.getState().readOnly}
        onKeyDown={(event) => {
          event.stopPropagation();
          // Enter that ends an input method's choice is not ours.
          if (isComposing(event.nativeEvent)) return;
          if (event.key === "Escape") cancelled.current = true;
          if (event.key !== "Escape" && (event.key !== "Enter" || event.shiftKey)) return;
          event.preventDefault();
          event.currentTarget.blur();
        }}
        onBlur={(event) => {
          keep(event.currentTarget.value);
          editInline(null);
        }}
      />
      <p id="timeline-prompt-hint" className={styles.hint}>
        {t("timeline.promptHint")}
      </p>
    </Placed>
  );
}

function MarkerEditor({ session, markerId }: { readonly session: EditorSession; readonly markerId: string }) {
  const { t } = useTranslation();
  const marker = useEditor(session, (state) => state.history.present.markers.find((one) => one.id === markerId));
  if (marker === undefined) return null;
  return (
    <Placed session={session} frame={marker.frame} width={MARKER_WIDTH} top={RULER_HEIGHT - 20}>
      <NameField label={t("timeline.markerName")} value={marker.label} maxLength={LIMITS.markerLabelCharacters} onCommit={(label) => session.editor.edit({ type: "renameMarker", id: markerId, label })} onClose={() => editInline(null)} />
    </Placed>
  );
}

/** Keeps its children at a frame while the timeline scrolls and zooms, and within sight. */
function Placed({ session, frame, width, top, children }: { readonly session: EditorSession; readonly frame: number; readonly width: number; readonly top: number; readonly children: ReactNode }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const write = () => {
      const view = session.view.store.getState();
      const x = Math.max(4, Math.min(view.width - width - 4, xOfFrame(view.scale, frame)));
      if (box.current !== null) box.current.style.transform = `translate(${String(Math.round(x))}px, ${String(top)}px)`;
    };
    write();
    return session.view.store.subscribe(write);
  }, [session, frame, width, top]);
  return (
    <div ref={box} className={styles.placed} style={{ width }}>
      {children}
    </div>
  );
}
