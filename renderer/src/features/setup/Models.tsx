import { Download, FolderInput } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { shell } from "../../app/shell.ts";
import { useStream } from "../../rpc/stream.ts";
import { models } from "../../rpc/streams.ts";
import { useAct } from "../../rpc/use-call.ts";
import { Button } from "../../ui/Button.tsx";
import { FaultNote } from "../../ui/FaultNote.tsx";
import { DownloadDialog } from "./DownloadDialog.tsx";
import { ImportDialog } from "./ImportDialog.tsx";
import { ModelRow } from "./ModelRow.tsx";
import styles from "./Setup.module.css";

/** What is being asked for: nothing, a download, or what to do with a chosen folder. */
type Asking = { readonly kind: "none" } | { readonly kind: "download" } | { readonly kind: "import"; readonly handle: string };

/** The models at hand, which one new projects use, and how more come here. */
export function Models() {
  const { t } = useTranslation();
  const stream = useStream(models);
  const list = stream.kind === "live" ? stream.value : stream.kind === "failed" ? stream.last : null;
  const [asking, setAsking] = useState<Asking>({ kind: "none" });
  const { busy, fault, act } = useAct();
  const close = () => setAsking({ kind: "none" });
  const importFolder = () =>
    act(async () => {
      const [chosen] = (await shell?.chooseFiles({ kind: "model", title: t("models.importFolder"), filters: [], multiple: false, folder: true })) ?? [];
      if (chosen !== undefined) setAsking({ kind: "import", handle: chosen.handle });
    });
  return (
    <section className={styles.section} aria-labelledby="models-heading">
      <div className={styles.head}>
        <h2 id="models-heading">{t("setup.area.models")}</h2>
        <div className={styles.buttons}>
          {shell !== null && (
            <Button icon={<FolderInput />} busy={busy} onClick={importFolder}>
              {t("models.importFolder")}
            </Button>
          )}
          <Button icon={<Download />} onClick={() => setAsking({ kind: "download" })}>
            {t("models.download")}
          </Button>
        </div>
      </div>
      <p className={styles.hint}>{t(shell === null ? "models.hintWeb" : "models.hint")}</p>
      {fault !== null && <FaultNote fault={fault} />}
      {stream.kind === "failed" && <FaultNote fault={stream.fault} action={<Button onClick={models.restart}>{t("common.retry")}</Button>} />}
      {list !== null && (
        <ul className={styles.list}>
          {list.map((model) => (
            <ModelRow key={model.id} model={model} />
          ))}
        </ul>
      )}
      {asking.kind === "download" && <DownloadDialog onClose={close} />}
      {asking.kind === "import" && <ImportDialog handle={asking.handle} onClose={close} />}
    </section>
  );
}
