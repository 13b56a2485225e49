import { useTranslation } from "react-i18next";
import { useEditor, type EditorSession } from "../../editor/editor-session.ts";
import { Switch } from "../../ui/Switch.tsx";
import { GainField } from "./GainField.tsx";
import { Section, TypedField } from "./parts.tsx";

export function TrackInspector({ session, trackId }: { readonly session: EditorSession; readonly trackId: string }) {
  const { t } = useTranslation();
  const readOnly = useEditor(session, (state) => state.readOnly);
  const track = useEditor(session, (state) => state.document.audioTracks.find((one) => one.id === trackId) ?? null);
  if (track === null) return null;
  const { editor } = session;
  return (
    <Section title={t("inspector.track")}>
      <TypedField label={t("inspector.name")} value={track.name} disabled={readOnly} onCommit={(name) => (editor.edit({ type: "renameAudioTrack", trackId, name }) ? null : t("inspector.notPossible"))} />
      <Switch label={t("inspector.muted")} checked={track.muted} disabled={readOnly} onChange={(muted) => editor.edit({ type: "setTrackMuted", trackId, muted })} />
      <GainField
        label={t("inspector.gain")}
        value={track.gainDecibels}
        disabled={readOnly}
        onChange={(gainDecibels) => editor.preview({ type: "setTrackGain", trackId, gainDecibels })}
        onCommit={(gainDecibels) => editor.edit({ type: "setTrackGain", trackId, gainDecibels })}
      />
    </Section>
  );
}
