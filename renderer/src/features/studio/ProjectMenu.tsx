import { ChevronDown } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { showFaultToast } from "../../app/fault-toast.ts";
import { currentInfo } from "../../app/info.ts";
import { navigate } from "../../app/navigation.ts";
import { chooseTarget, download } from "../../app/targets.ts";
import { useEditor, type EditorSession } from "../../editor/editor-session.ts";
import { client, faultOf } from "../../rpc/client.ts";
import { Button } from "../../ui/Button.tsx";
import { Menu } from "../../ui/Menu.tsx";
import { showToast } from "../../ui/toasts.ts";
import { RenameDialog } from "../home/RenameDialog.tsx";
import styles from "./Studio.module.css";

/** The project's name, with what can be done with the project as a whole. */
export function ProjectMenu({ session }: { readonly session: EditorSession }) {
  const { t } = useTranslation();
  const { editor } = session;
  const name = useEditor(session, (state) => state.document.name);
  const projectId = useEditor(session, (state) => state.projectId);
  const readOnly = useEditor(session, (state) => state.readOnly);
  const [renaming, setRenaming] = useState(false);
  const attempt = (work: () => Promise<unknown>) => () => {
    work().catch((error: unknown) => showFaultToast(faultOf(error)));
  };
  const collect = async () => {
    const target = await chooseTarget({ kind: "project", title: t("home.collect"), suggestedName: name, filters: [] });
    if (target === null) return;
    await editor.saved();
    const { url } = await client.projects.collect({ projectId, target });
    if (url !== null) download(url);
    else showToast(t("home.collected"));
  };
  const duplicate = async () => {
    await editor.saved();
    const copy = await client.projects.duplicate({ projectId });
    navigate({ page: "studio", projectId: copy.projectId });
  };
  return (
    <>
      <Menu
        entries={() => [
          { kind: "item", id: "rename", label: t("home.rename"), disabled: readOnly, onSelect: () => setRenaming(true) },
          { kind: "item", id: "new", label: t("studio.simple"), onSelect: () => navigate({ page: "new", projectId }) },
          { kind: "separator", id: "line" },
          { kind: "item", id: "duplicate", label: t("home.duplicate"), onSelect: attempt(duplicate) },
          { kind: "item", id: "collect", label: t("home.collect"), onSelect: attempt(collect) },
          ...(currentInfo()?.canReveal === true ? [{ kind: "item", id: "reveal", label: t("home.reveal"), onSelect: attempt(() => client.projects.reveal({ projectId })) } as const] : []),
        ]}
      >
        <Button variant="quiet" className={styles.name} title={name}>
          {name} <ChevronDown size={14} aria-hidden="true" style={{ display: "inline" }} />
        </Button>
      </Menu>
      {renaming && (
        <RenameDialog
          name={name}
          onClose={() => setRenaming(false)}
          onRename={(next) => {
            setRenaming(false);
            editor.edit({ type: "renameProject", name: next });
          }}
        />
      )}
    </>
  );
}
