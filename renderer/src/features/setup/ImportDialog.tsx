import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { ImportHow } from "../../../../electron/contract/models.schema.ts";
import { useFormats } from "../../i18n/index.ts";
import { client } from "../../rpc/client.ts";
import { lastOf, useAct, useCall } from "../../rpc/use-call.ts";
import { Button } from "../../ui/Button.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { FaultNote } from "../../ui/FaultNote.tsx";
import { Segmented } from "../../ui/Segmented.tsx";
import { Spinner } from "../../ui/Spinner.tsx";
import styles from "./Setup.module.css";

const HOWS: readonly ImportHow[] = ["copy", "move", "link"];

/** Looks at a chosen folder and asks how its model is to be used. */
export function ImportDialog({ handle, onClose }: { readonly handle: string; readonly onClose: () => void }) {
  const { t } = useTranslation();
  const formats = useFormats();
  const { state } = useCall(handle, (signal) => client.models.source({ handle }, { signal }));
  const source = lastOf(state);
  const [how, setHow] = useState<ImportHow>("copy");
  const { busy, fault, act } = useAct();
  const tooLarge = source !== null && how !== "link" && !source.sameDisk && source.bytes > source.freeBytes;
  const start = () =>
    act(async () => {
      await client.models.import({ handle, how });
      onClose();
    });
  return (
    <Dialog
      open
      onClose={onClose}
      title={t("models.importTitle")}
      footer={
        <Button variant="primary" busy={busy} disabled={source?.usable !== true || tooLarge} onClick={start}>
          {t("models.importStart")}
        </Button>
      }
    >
      {state.kind === "failed" && <FaultNote fault={state.fault} />}
      {source === null && state.kind === "loading" && <Spinner />}
      {source !== null && (
        <div className={styles.form}>
          <p className={styles.modelName}>{source.name}</p>
          <p className={styles.hint}>{t("models.sourceFacts", { size: formats.bytes(source.bytes), free: formats.bytes(source.freeBytes) })}</p>
          {source.faults.map((one, index) => (
            <FaultNote key={`${one.code}-${String(index)}`} fault={one} />
          ))}
          <Segmented label={t("models.how")} value={how} options={HOWS.map((value) => ({ value, label: t(`models.hows.${value}`) }))} onChange={setHow} />
          <p className={styles.hint}>{t(how !== "link" && source.sameDisk ? `models.howSame.${how}` : `models.howHint.${how}`)}</p>
          {tooLarge && <p role="alert">{t("models.noRoom", { size: formats.bytes(source.bytes), free: formats.bytes(source.freeBytes) })}</p>}
        </div>
      )}
      {fault !== null && <FaultNote fault={fault} />}
    </Dialog>
  );
}
