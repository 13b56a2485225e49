import { Clapperboard, Redo2, Share, Undo2 } from "lucide-react";
import { Popover } from "radix-ui";
import { useTranslation } from "react-i18next";
import { useStore } from "zustand";
import { shortcutOfAction } from "../../actions/actions.ts";
import { GuardedDialog } from "../../app/GuardedDialog.tsx";
import { lazyPart } from "../../app/lazy-part.ts";
import { useEditor, type EditorSession } from "../../editor/editor-session.ts";
import { useFormats } from "../../i18n/index.ts";
import { Badge } from "../../ui/Badge.tsx";
import { Button } from "../../ui/Button.tsx";
import { IconButton } from "../../ui/IconButton.tsx";
import { Segmented } from "../../ui/Segmented.tsx";
import { exportDialog } from "../exporting/export-dialog.ts";
import { isActive, shareOf } from "../queue/job-facts.ts";
import { ProjectMenu } from "./ProjectMenu.tsx";
import { RenderPanel } from "./RenderPanel.tsx";
import { studioDialogs } from "./studio-dialogs.ts";
import styles from "./Studio.module.css";
import { useStepName } from "./step-name.ts";

const ExportDialog = lazyPart(async () => ({ default: (await import("../exporting/ExportDialog.tsx")).ExportDialog }));

/** Name, undo and redo, preview or final, render and export. */
export function StudioBar({ session }: { readonly session: EditorSession }) {
  const { t } = useTranslation();
  const { editor } = session;
  const quality = useEditor(session, (state) => state.quality);
  const readOnly = useEditor(session, (state) => state.readOnly);
  const renderOpen = useStore(studioDialogs, (state) => state.render);
  const exporting = useStore(exportDialog, (state) => state.open);
  return (
    <div className={styles.bar} role="toolbar" aria-label={t("studio.bar")}>
      <ProjectMenu session={session} />
      <Saving session={session} />
      {readOnly && <Badge tone="warn">{t("studio.readOnly")}</Badge>}
      <UndoButtons session={session} />
      <span className={styles.space} />
      <Segmented
        label={t("studio.quality")}
        value={quality}
        options={[
          { value: "preview", label: t("queue.quality.preview") },
          { value: "final", label: t("queue.quality.final") },
        ]}
        onChange={editor.setQuality}
      />
      <RenderProgress session={session} />
      <Popover.Root open={renderOpen} onOpenChange={(render) => studioDialogs.setState({ render })}>
        <Popover.Trigger asChild>
          <Button variant="primary" icon={<Clapperboard />}>
            {t("studio.render")}
          </Button>
        </Popover.Trigger>
        <Popover.Portal>
          <Popover.Content className={styles.renderPanel} align="end" sideOffset={6} collisionPadding={8} aria-label={t("studio.render")}>
            <RenderPanel session={session} onStarted={() => studioDialogs.setState({ render: false })} />
          </Popover.Content>
        </Popover.Portal>
      </Popover.Root>
      <Button icon={<Share />} onClick={() => exportDialog.setState({ open: true })}>
        {t("studio.export")}
      </Button>
      {exporting && (
        <GuardedDialog onClose={() => exportDialog.setState({ open: false })}>
          <ExportDialog />
        </GuardedDialog>
      )}
    </div>
  );
}

function UndoButtons({ session }: { readonly session: EditorSession }) {
  const { t } = useTranslation();
  const nameOf = useStepName();
  const past = useEditor(session, (state) => state.history.past?.label ?? null);
  const future = useEditor(session, (state) => state.history.future?.label ?? null);
  return (
    <>
      <IconButton label={past === null ? t("studio.undo") : t("studio.undoStep", { step: nameOf(past) })} shortcut={shortcutOfAction("timeline.undo")} icon={<Undo2 />} disabled={past === null} onClick={session.editor.undo} />
      <IconButton label={future === null ? t("studio.redo") : t("studio.redoStep", { step: nameOf(future) })} shortcut={shortcutOfAction("timeline.redo")} icon={<Redo2 />} disabled={future === null} onClick={session.editor.redo} />
    </>
  );
}

function Saving({ session }: { readonly session: EditorSession }) {
  const { t } = useTranslation();
  const kind = useEditor(session, (state) => state.saving.kind);
  return (
    <span className={styles.saving} role="status">
      {t(`studio.saving.${kind}`)}
    </span>
  );
}

/** The render of this project that is under way. */
function RenderProgress({ session }: { readonly session: EditorSession }) {
  const { t } = useTranslation();
  const formats = useFormats();
  const job = useEditor(session, (state) => state.jobs.find((one) => one.work.kind === "render" && isActive(one.state)) ?? null);
  if (job === null) return null;
  return (
    <Badge tone="accent">
      {t("studio.rendering", { share: formats.percent(shareOf(job.state)) })}
    </Badge>
  );
}
