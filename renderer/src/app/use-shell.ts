import type { TFunction } from "i18next";
import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import { useStore } from "zustand";
import type { Job } from "../../../electron/contract/jobs.schema.ts";
import type { ShellWords } from "../../../electron/contract/shell.ts";
import { actionContext, actionRegistry, runAction } from "../actions/actions.ts";
import { shellMenus } from "../actions/menu-model.ts";
import { unsavedWork } from "../editor/left-sessions.ts";
import { isActive, shareOf } from "../features/queue/job-facts.ts";
import { useLatest } from "../rpc/stream.ts";
import { jobs } from "../rpc/streams.ts";
import { openProjectFile } from "./actions.ts";
import { useRoute } from "./navigation.ts";
import { shell } from "./shell.ts";

/** Keeps the desktop shell informed: its menu, the taskbar, notifications, projects opened from outside. Nothing in a browser. */
export function useShell(): void {
  const { t } = useTranslation();
  const route = useRoute();
  const registry = useStore(actionRegistry.store);
  const list = useLatest(jobs);

  useEffect(() => {
    if (shell === null) return;
    const stops = [
      shell.onMenuAction((id) => {
        const action = actionRegistry.find(id);
        if (action !== null) runAction(action);
      }),
      shell.onOpenProject((project) => void openProjectFile(project.handle)),
    ];
    return () => stops.forEach((stop) => stop());
  }, []);

  useEffect(() => {
    if (shell === null) return;
    void shell.setMenu(shellMenus(registry, actionContext(), { category: (category) => t(`actions.category.${category}`), action: (action) => t(action.labelKey) }));
  }, [registry, route, t]);

  const running = list?.filter((job) => isActive(job.state)) ?? [];
  const progress = running[0] === undefined ? null : shareOf(running[0].state);
  const { waiting: unsavedEdits } = useStore(unsavedWork);
  useEffect(() => {
    void shell?.setActivity({ runningJobs: running.length, unsavedEdits, progress, words: shellWords(t, unsavedEdits) });
  }, [running.length, unsavedEdits, progress, t]);

  const before = useRef<ReadonlyMap<string, Job> | null>(null);
  useEffect(() => {
    if (shell === null || list === null) return;
    for (const job of list) {
      const earlier = before.current?.get(job.id);
      // Only what ended while this window watched; a reload tells nothing again.
      if (earlier === undefined || !isActive(earlier.state)) continue;
      if (job.state.status === "finished") void shell.notify({ title: t("app.notice.finished"), body: job.projectName });
      if (job.state.status === "failed") void shell.notify({ title: t("app.notice.failed"), body: job.projectName });
    }
    before.current = new Map(list.map((job) => [job.id, job]));
  }, [list, t]);
}

function shellWords(t: TFunction, unsavedEdits: boolean): ShellWords {
  const about = unsavedEdits ? "edits" : "renders";
  return {
    quitQuestion: t(`app.quit.${about}.question`),
    quitDetail: t(`app.quit.${about}.detail`),
    keepRunning: t(`app.quit.${about}.keepRunning`),
    stopAndQuit: t(`app.quit.${about}.stopAndQuit`),
    cancel: t("common.cancel"),
    open: t("app.quit.open"),
    quit: t("app.quit.quit"),
  };
}
