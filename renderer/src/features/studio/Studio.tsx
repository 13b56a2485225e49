import { useLayoutEffect } from "react";
import { useTranslation } from "react-i18next";
import { actionRegistry } from "../../actions/actions.ts";
import { studioActions } from "../../actions/studio-actions.ts";
import { navigate } from "../../app/navigation.ts";
import type { EditorSession } from "../../editor/editor-session.ts";
import { SessionProvider, useOpening } from "../../editor/SessionProvider.tsx";
import { Button } from "../../ui/Button.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { FaultNote } from "../../ui/FaultNote.tsx";
import { Panels } from "../../ui/Panels.tsx";
import { Spinner } from "../../ui/Spinner.tsx";
import { ProjectNotices } from "./ProjectNotices.tsx";
import { ASSETS, INSPECTOR, LazyPanel, PLAYER, TIMELINE } from "./LazyPanel.tsx";
import styles from "./Studio.module.css";
import { StudioBar } from "./StudioBar.tsx";

/** The editor of one project: assets, player and inspector above the timeline. */
export default function Studio({ projectId }: { readonly projectId: string }) {
  const { t } = useTranslation();
  const opening = useOpening(projectId);
  switch (opening.kind) {
    case "opening":
      return <EmptyState icon={<Spinner size={24} />} title={t("studio.opening")} />;
    case "failed":
      return (
        <div className={styles.trouble}>
          <FaultNote fault={opening.fault} action={<Button onClick={() => navigate({ page: "home" })}>{t("app.place.home")}</Button>} />
        </div>
      );
    case "open":
      return (
        <SessionProvider session={opening.session}>
          <Frame session={opening.session} />
        </SessionProvider>
      );
  }
}

function Frame({ session }: { readonly session: EditorSession }) {
  const { t } = useTranslation();
  useStudioActions(session);
  const handle = t("studio.resize");
  const top = (
    <Panels
      id="studio-top"
      direction="horizontal"
      handleLabel={handle}
      panels={[
        { id: "assets", label: t("studio.assets"), defaultSize: 20, minSize: 160, content: <LazyPanel panel={ASSETS} /> },
        { id: "player", label: t("studio.player"), defaultSize: 58, minSize: 320, content: <LazyPanel panel={PLAYER} /> },
        { id: "inspector", label: t("studio.inspector"), defaultSize: 22, minSize: 220, content: <LazyPanel panel={INSPECTOR} /> },
      ]}
    />
  );
  return (
    <div className={styles.studio}>
      <h1 className="visually-hidden">{t("studio.title")}</h1>
      <StudioBar session={session} />
      <ProjectNotices session={session} />
      <div className={styles.panels}>
        <Panels
          id="studio"
          direction="vertical"
          handleLabel={handle}
          panels={[
            { id: "top", defaultSize: 58, minSize: 200, content: top },
            { id: "timeline", defaultSize: 42, minSize: 160, content: <LazyPanel panel={TIMELINE} /> },
          ]}
        />
      </div>
    </div>
  );
}

/** The studio's commands are there while a project is open: from its first picture on, so before the browser shows it. */
function useStudioActions(session: EditorSession): void {
  useLayoutEffect(() => {
    const remove = actionRegistry.add(studioActions);
    // What a command may do depends on the document and the selection. Once a frame is enough for a menu.
    let frame = 0;
    const stop = session.editor.store.subscribe(() => {
      if (frame !== 0) return;
      frame = requestAnimationFrame(() => {
        frame = 0;
        actionRegistry.invalidate();
      });
    });
    return () => {
      cancelAnimationFrame(frame);
      stop();
      remove();
    };
  }, [session]);
}
