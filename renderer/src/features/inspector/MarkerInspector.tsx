import { useTranslation } from "react-i18next";
import { frameOfTimecode, timecode } from "../../../../electron/contract/time.ts";
import { useEditor, type EditorSession } from "../../editor/editor-session.ts";
import { Button } from "../../ui/Button.tsx";
import { Section, TypedField } from "./parts.tsx";

export function MarkerInspector({ session, id }: { readonly session: EditorSession; readonly id: string }) {
  const { t } = useTranslation();
  const readOnly = useEditor(session, (state) => state.readOnly);
  const marker = useEditor(session, (state) => state.document.markers.find((one) => one.id === id) ?? null);
  if (marker === null) return null;
  const { editor } = session;
  const move = (text: string) => {
    const frame = frameOfTimecode(text);
    if (frame === null) return t("inspector.timeInvalid");
    return editor.edit({ type: "moveMarker", id, frame }) ? null : t("inspector.notPossible");
  };
  return (
    <Section title={t("inspector.marker")}>
      <TypedField label={t("inspector.name")} value={marker.label} disabled={readOnly} hint={t("inspector.markerNote")} onCommit={(label) => (editor.edit({ type: "renameMarker", id, label }) ? null : t("inspector.notPossible"))} />
      <TypedField label={t("inspector.start")} value={timecode(marker.frame)} disabled={readOnly} onCommit={move} />
      <div>
        <Button disabled={readOnly} onClick={() => editor.edit({ type: "removeMarkers", ids: [id] })}>
          {t("inspector.removeMarker")}
        </Button>
      </div>
    </Section>
  );
}
