import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { PromptSegment } from "../../../../electron/contract/document/project-document.schema.ts";
import { FRAMES_PER_BLOCK, timecode } from "../../../../electron/contract/time.ts";
import { useEditor, type EditorSession } from "../../editor/editor-session.ts";
import { client } from "../../rpc/client.ts";
import { lastOf, useCall } from "../../rpc/use-call.ts";
import { TextArea } from "../../ui/Field.tsx";
import { FindingList } from "../../ui/FindingList.tsx";
import styles from "./Inspector.module.css";
import { PlaceFields, Section } from "./parts.tsx";

export function PromptInspector({ session, segment }: { readonly session: EditorSession; readonly segment: PromptSegment }) {
  const { t } = useTranslation();
  const readOnly = useEditor(session, (state) => state.readOnly);
  const [checked, setChecked] = useState(segment.text);
  const { state } = useCall(checked.trim() === "" ? null : checked, (signal) => client.media.checkPrompt({ text: checked }, { signal }));
  const findings = lastOf(state) ?? [];
  const firstBlock = Math.ceil(segment.start / FRAMES_PER_BLOCK) * FRAMES_PER_BLOCK;
  return (
    <Section title={t("inspector.prompt")}>
      <TextArea
        label={t("inspector.promptText")}
        value={segment.text}
        disabled={readOnly}
        rows={7}
        // Typing in one prompt is one step for undo, until the field is left.
        onChange={(text) => session.editor.edit({ type: "setPromptText", id: segment.id, text }, { gesture: `prompt ${segment.id}` })}
        onBlur={() => {
          session.editor.endGesture();
          setChecked(segment.text);
        }}
      />
      <FindingList findings={findings} label={t("inspector.checks")} />
      <PlaceFields session={session} id={segment.id} start={segment.start} duration={segment.duration} readOnly={readOnly} />
      <p className={styles.note}>{t("inspector.promptNote", { time: timecode(firstBlock) })}</p>
    </Section>
  );
}
