import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Fault } from "../../../../electron/contract/fault.schema.ts";
import { findMedia } from "../../../../electron/contract/document/timeline.ts";
import { useEditor, type EditorSession } from "../../editor/editor-session.ts";
import { client, faultOf } from "../../rpc/client.ts";
import { ACCEPTED_TYPES, sourceOfFile } from "../../rpc/upload.ts";
import { Button } from "../../ui/Button.tsx";
import { FaultNote } from "../../ui/FaultNote.tsx";
import { FilePicker } from "../new-video/FilePicker.tsx";
import styles from "./Studio.module.css";

/** What the user has to know or decide about the project as a whole: conflicts, failed saves, recovery, missing files. */
export function ProjectNotices({ session }: { readonly session: EditorSession }) {
  const { t } = useTranslation();
  const { editor } = session;
  const saving = useEditor(session, (state) => state.saving);
  const notices = useEditor(session, (state) => state.notices);
  const missing = useEditor(session, (state) => state.missingMedia);
  const [dismissed, setDismissed] = useState<ReadonlySet<Fault>>(new Set());
  const shown = notices.filter((notice) => !dismissed.has(notice));
  if (shown.length === 0 && missing.size === 0 && saving.kind !== "conflict" && saving.kind !== "failed") return null;
  return (
    <div className={styles.notices}>
      {saving.kind === "conflict" && (
        <FaultNote
          fault={{ code: "PROJECT_CHANGED_ELSEWHERE", what: t("studio.conflict.what"), why: t("studio.conflict.why"), hint: t("studio.conflict.hint"), field: null }}
          action={
            <>
              <Button size="small" onClick={() => editor.resolveConflict("theirs")}>
                {t("studio.conflict.theirs")}
              </Button>
              <Button size="small" onClick={() => editor.resolveConflict("mine")}>
                {t("studio.conflict.mine")}
              </Button>
            </>
          }
        />
      )}
      {saving.kind === "failed" && (
        <FaultNote
          fault={saving.fault}
          action={
            <Button size="small" onClick={editor.retrySaving}>
              {t("common.retry")}
            </Button>
          }
        />
      )}
      {shown.map((notice) => (
        <FaultNote key={notice.code} fault={notice} tone="note" onDismiss={() => setDismissed((before) => new Set([...before, notice]))} />
      ))}
      {[...missing].map((mediaId) => (
        <MissingMedia key={mediaId} session={session} mediaId={mediaId} />
      ))}
    </div>
  );
}

/** A file that is not where it should be, and the way to put it back. */
function MissingMedia({ session, mediaId }: { readonly session: EditorSession; readonly mediaId: string }) {
  const { t } = useTranslation();
  const media = useEditor(session, (state) => findMedia(state.document, mediaId));
  const [fault, setFault] = useState<Fault | null>(null);
  const [other, setOther] = useState<File | null>(null);
  if (media === null) return null;
  const locate = async (file: File, force: boolean) => {
    setFault(null);
    setOther(null);
    try {
      const source = await sourceOfFile(file);
      const found = await client.media.locate({ projectId: session.editor.store.getState().projectId, mediaId, source, force });
      if (force) session.editor.edit({ type: "replaceMedia", mediaId, media: found.media });
    } catch (error) {
      const trouble = faultOf(error);
      setFault(trouble);
      if (trouble.code === "MEDIA_DIFFERENT") setOther(file);
    }
  };
  return (
    <FaultNote
      fault={fault ?? { code: "MEDIA_MISSING", what: t("studio.missing.what", { name: media.name }), why: t("studio.missing.why"), hint: t("studio.missing.hint"), field: null }}
      action={
        <>
          <FilePicker size="small" accept={ACCEPTED_TYPES[media.kind]} onFile={(file) => void locate(file, false)}>
            {t("studio.missing.find")}
          </FilePicker>
          {other !== null && (
            <Button size="small" onClick={() => void locate(other, true)}>
              {t("studio.missing.force")}
            </Button>
          )}
        </>
      }
    />
  );
}
