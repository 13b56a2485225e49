import { useTranslation } from "react-i18next";
import type { AudioSegment } from "../../../../electron/contract/document/project-document.schema.ts";
import { findMedia } from "../../../../electron/contract/document/timeline.ts";
import { frameOfTimecode, timecode } from "../../../../electron/contract/time.ts";
import { useEditor, type EditorSession } from "../../editor/editor-session.ts";
import { useFormats } from "../../i18n/index.ts";
import { GainField } from "./GainField.tsx";
import styles from "./Inspector.module.css";
import { MaterialFindings } from "./MaterialFindings.tsx";
import { Facts, PlaceFields, Section, TypedField } from "./parts.tsx";

export function AudioInspector({ session, segment }: { readonly session: EditorSession; readonly segment: AudioSegment }) {
  const { t } = useTranslation();
  const formats = useFormats();
  const media = useEditor(session, (state) => findMedia(state.document, segment.mediaId));
  const projectId = useEditor(session, (state) => state.projectId);
  const readOnly = useEditor(session, (state) => state.readOnly);
  const fade = (edge: "in" | "out") => (text: string) => {
    const frames = frameOfTimecode(text);
    if (frames === null) return t("inspector.timeInvalid");
    return session.editor.edit({ type: "setFade", id: segment.id, edge, frames }) ? null : t("inspector.notPossible");
  };
  return (
    <Section title={t("inspector.audio")}>
      <Facts
        facts={[
          [t("inspector.file"), media?.name ?? t("inspector.missing")],
          ...(media?.kind === "audio"
            ? ([
                [t("inspector.recording"), formats.clock(media.samples / media.sampleRate)],
                [t("inspector.sampleRate"), `${formats.number(media.sampleRate / 1000, 1)} kHz`],
                [t("inspector.from"), formats.clock(segment.sourceStart / media.sampleRate)],
              ] as const)
            : []),
        ]}
      />
      <GainField
        label={t("inspector.gain")}
        value={segment.gainDecibels}
        disabled={readOnly}
        onChange={(gainDecibels) => session.editor.preview({ type: "setSegmentGain", ids: [segment.id], gainDecibels })}
        onCommit={(gainDecibels) => session.editor.edit({ type: "setSegmentGain", ids: [segment.id], gainDecibels })}
      />
      <div className={styles.pair}>
        <TypedField label={t("inspector.fadeIn")} value={timecode(segment.fadeIn)} disabled={readOnly} onCommit={fade("in")} />
        <TypedField label={t("inspector.fadeOut")} value={timecode(segment.fadeOut)} disabled={readOnly} onCommit={fade("out")} />
      </div>
      <PlaceFields session={session} id={segment.id} start={segment.start} duration={segment.duration} readOnly={readOnly} />
      <MaterialFindings projectId={projectId} mediaId={segment.mediaId} />
    </Section>
  );
}

