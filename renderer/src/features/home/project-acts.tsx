import { useState, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { ProjectSummary } from "../../../../electron/contract/rpc.ts";
import { showFaultToast } from "../../app/fault-toast.ts";
import { currentInfo } from "../../app/info.ts";
import { navigate } from "../../app/navigation.ts";
import { chooseTarget, download } from "../../app/targets.ts";
import { client, faultOf } from "../../rpc/client.ts";
import { ConfirmDialog } from "../../ui/Dialog.tsx";
import type { MenuEntry } from "../../ui/menu-entries.ts";
import { showToast } from "../../ui/toasts.ts";
import { RenameDialog } from "./RenameDialog.tsx";

/** What can be done with a project of the list, as menu entries, with the dialogs they need. */
export function useProjectActs(project: ProjectSummary, onChanged: () => void): { readonly entries: () => readonly MenuEntry[]; readonly dialogs: ReactNode } {
  const { t } = useTranslation();
  const [asking, setAsking] = useState<"rename" | "remove" | null>(null);
  const projectId = project.id;
  const attempt = async (work: () => Promise<unknown>, done?: string) => {
    try {
      await work();
      if (done !== undefined) showToast(done);
      onChanged();
    } catch (error) {
      showFaultToast(faultOf(error));
    }
  };
  const collect = async () => {
    const target = await chooseTarget({ kind: "project", title: t("home.collect"), suggestedName: project.name, filters: [] });
    if (target === null) return;
    const { url } = await client.projects.collect({ projectId, target });
    if (url !== null) download(url);
    else showToast(t("home.collected"));
  };
  const remove = () => {
    setAsking(null);
    void attempt(() => client.projects.remove({ projectId }), t("home.removed", { name: project.name }));
  };
  const usable = project.state === "ok";
  return {
    entries: () => [
      { kind: "item", id: "open", label: t("home.open"), disabled: !usable && project.state !== "damaged", onSelect: () => navigate({ page: "studio", projectId }) },
      { kind: "separator", id: "line-1" },
      { kind: "item", id: "rename", label: t("home.rename"), disabled: !usable, onSelect: () => setAsking("rename") },
      { kind: "item", id: "duplicate", label: t("home.duplicate"), disabled: !usable, onSelect: () => void attempt(() => client.projects.duplicate({ projectId })) },
      { kind: "item", id: "collect", label: t("home.collect"), disabled: !usable, onSelect: () => void attempt(collect) },
      ...(currentInfo()?.canReveal === true ? [{ kind: "item", id: "reveal", label: t("home.reveal"), onSelect: () => void attempt(() => client.projects.reveal({ projectId })) } as const] : []),
      { kind: "separator", id: "line-2" },
      { kind: "item", id: "remove", label: t("home.remove"), danger: true, onSelect: () => setAsking("remove") },
    ],
    dialogs: (
      <>
        {asking === "rename" && (
          <RenameDialog
            name={project.name}
            onClose={() => setAsking(null)}
            onRename={(name) => {
              setAsking(null);
              void attempt(() => client.projects.rename({ projectId, name }));
            }}
          />
        )}
        <ConfirmDialog open={asking === "remove"} title={t("home.removeQuestion", { name: project.name })} description={t("home.removeDetail")} action={t("home.remove")} danger onConfirm={remove} onCancel={() => setAsking(null)} />
      </>
    ),
  };
}
