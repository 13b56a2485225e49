import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Settings } from "../../../../electron/contract/settings.schema.ts";
import { useSettings } from "../../app/preferences.ts";
import { shell } from "../../app/shell.ts";
import { useFormats } from "../../i18n/index.ts";
import { client } from "../../rpc/client.ts";
import { lastOf, useAct, useCall } from "../../rpc/use-call.ts";
import { Button } from "../../ui/Button.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { FaultNote } from "../../ui/FaultNote.tsx";
import { TextField } from "../../ui/Field.tsx";
import { Spinner } from "../../ui/Spinner.tsx";
import { downloadsOf, type DownloadForm, formOf } from "./download-form.ts";
import styles from "./Setup.module.css";

/** Says what would be fetched, from where and to where, before anything is. */
export function DownloadDialog({ onClose }: { readonly onClose: () => void }) {
  const settings = useSettings();
  const { t } = useTranslation();
  return settings === null ? (
    <Dialog open onClose={onClose} title={t("models.downloadTitle")}>
      <Spinner />
    </Dialog>
  ) : (
    <Choices downloads={settings.downloads} onClose={onClose} />
  );
}

function Choices({ downloads, onClose }: { readonly downloads: Settings["downloads"]; readonly onClose: () => void }) {
  const { t } = useTranslation();
  const formats = useFormats();
  const { state, again } = useCall("store", (signal) => client.models.store(undefined, { signal }));
  const store = lastOf(state);
  const [form, setForm] = useState<DownloadForm>(() => formOf(downloads));
  const { busy, fault, act } = useAct();
  const wanted = downloadsOf(form);
  const change = (field: keyof DownloadForm) => (value: string) => setForm((before) => ({ ...before, [field]: value }));
  const problem = (field: keyof DownloadForm) => (wanted.kind === "wrong" && wanted.fields.includes(field) ? t(`models.wrong.${field}`) : null);
  const chooseFolder = () =>
    act(async () => {
      const [chosen] = (await shell?.chooseFiles({ kind: "model", title: t("models.chooseStore"), filters: [], multiple: false, folder: true })) ?? [];
      if (chosen === undefined) return;
      await client.models.chooseStore({ handle: chosen.handle });
      again();
    });
  const start = () =>
    act(async () => {
      if (wanted.kind === "wrong") return;
      await client.settings.change({ downloads: wanted.downloads });
      await client.models.download();
      onClose();
    });
  const tooLarge = store !== null && store.downloadBytes > store.freeBytes;
  return (
    <Dialog
      open
      onClose={onClose}
      title={t("models.downloadTitle")}
      footer={
        <Button variant="primary" busy={busy} disabled={store === null || store.offline || wanted.kind === "wrong"} onClick={start}>
          {t("models.downloadStart")}
        </Button>
      }
    >
      {state.kind === "failed" && <FaultNote fault={state.fault} action={<Button onClick={again}>{t("common.retry")}</Button>} />}
      {store !== null && (
        <div className={styles.form}>
          {store.offline && <p role="alert">{t("models.offline")}</p>}
          <p>{t("models.downloadFacts", { repositories: store.repositories.join(", "), host: wanted.kind === "right" ? (wanted.downloads.endpoint ?? store.endpoint) : store.endpoint, size: formats.bytes(store.downloadBytes) })}</p>
          <p className="selectable">{t("models.downloadTo", { folder: store.folder, free: formats.bytes(store.freeBytes) })}</p>
          {tooLarge && <p role="alert">{t("models.noRoom", { size: formats.bytes(store.downloadBytes), free: formats.bytes(store.freeBytes) })}</p>}
          {shell !== null && (
            <Button size="small" busy={busy} onClick={chooseFolder}>
              {t("models.chooseStore")}
            </Button>
          )}
          <TextField label={t("models.mirror")} hint={t("models.mirrorHint")} placeholder={store.endpoint} value={form.endpoint} onChange={change("endpoint")} problem={problem("endpoint")} />
          <TextField label={t("models.proxy")} hint={t("models.proxyHint")} placeholder="http://proxy:3128" value={form.proxy} onChange={change("proxy")} problem={problem("proxy")} />
          <TextField label={t("models.limit")} inputMode="decimal" value={form.limit} onChange={change("limit")} problem={problem("limit")} />
          <TextField label={t("models.connections")} inputMode="numeric" value={form.connections} onChange={change("connections")} problem={problem("connections")} />
          <p className={styles.hint}>{t("models.downloadHint")}</p>
        </div>
      )}
      {fault !== null && <FaultNote fault={fault} />}
    </Dialog>
  );
}
