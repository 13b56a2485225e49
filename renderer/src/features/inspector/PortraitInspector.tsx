import { useTranslation } from "react-i18next";
import { pictureAddress } from "../../../../electron/contract/addresses.ts";
import type { PortraitSegment } from "../../../../electron/contract/document/project-document.schema.ts";
import { useEditor, type EditorSession } from "../../editor/editor-session.ts";
import { Select } from "../../ui/Select.tsx";
import styles from "./Inspector.module.css";
import { MaterialFindings } from "./MaterialFindings.tsx";
import { Facts, PlaceFields, Section } from "./parts.tsx";

export function PortraitInspector({ session, segment }: { readonly session: EditorSession; readonly segment: PortraitSegment }) {
  const { t } = useTranslation();
  const files = useEditor(session, (state) => state.document.media);
  const projectId = useEditor(session, (state) => state.projectId);
  const readOnly = useEditor(session, (state) => state.readOnly);
  const pictures = files.filter((one) => one.kind === "image");
  const media = pictures.find((one) => one.id === segment.mediaId);
  return (
    <Section title={t("inspector.portrait")}>
      <img className={styles.picture} src={pictureAddress(projectId, segment.mediaId, 360)} alt={media?.name ?? ""} />
      <Select
        label={t("inspector.picture")}
        value={segment.mediaId}
        disabled={readOnly}
        options={pictures.map(({ id, name }) => ({ value: id, label: name }))}
        onChange={(mediaId) => session.editor.edit({ type: "setSegmentMedia", id: segment.id, mediaId })}
      />
      <PlaceFields session={session} id={segment.id} start={segment.start} duration={segment.duration} readOnly={readOnly} />
      {media !== undefined && <Facts facts={[[t("inspector.size"), `${String(media.width)} × ${String(media.height)}`]]} />}
      <p className={styles.note}>{t("inspector.portraitNote")}</p>
      <MaterialFindings projectId={projectId} mediaId={segment.mediaId} />
    </Section>
  );
}
