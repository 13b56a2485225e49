import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Model } from "../../../../electron/contract/machine.schema.ts";
import type { ModelRemoval } from "../../../../electron/contract/models.schema.ts";
import { changeSettings, useSettings } from "../../app/preferences.ts";
import { useFormats } from "../../i18n/index.ts";
import { useSaid } from "../../i18n/server-texts.ts";
import { client } from "../../rpc/client.ts";
import { useAct } from "../../rpc/use-call.ts";
import { Badge } from "../../ui/Badge.tsx";
import { Button } from "../../ui/Button.tsx";
import { ConfirmDialog } from "../../ui/Dialog.tsx";
import { FaultNote } from "../../ui/FaultNote.tsx";
import { Progress } from "../../ui/Progress.tsx";
import { RenameDialog } from "../home/RenameDialog.tsx";
import { ModelAbilities } from "./ModelAbilities.tsx";
import { useModelNote } from "./model-note.ts";
import styles from "./Setup.module.css";

/** One model: its state, what goes on with it, and what can be done. */
export function ModelRow({ model }: { readonly model: Model }) {
  const { t } = useTranslation();
  const formats = useFormats();
  const settings = useSettings();
  const noteOf = useModelNote();
  const [removal, setRemoval] = useState<ModelRemoval | null>(null);
  const [ownFolder, setOwnFolder] = useState<string | null>(null);
  const [renaming, setRenaming] = useState(false);
  const [showsAbilities, setShowsAbilities] = useState(false);
  const { busy, fault, act } = useAct();
  const { state } = model;
  const modelId = model.id;
  const resting = state.kind === "ready" || state.kind === "damaged";
  const isDefault = settings?.defaultModelId === modelId;
  /** Into a folder of the user's own only after a question. */
  const mend = async (): Promise<void> => {
    const mending = await client.models.mending({ modelId });
    if (mending.ownFolder === null) await client.models.mend({ modelId, ownFolder: false });
    else setOwnFolder(mending.ownFolder);
  };
  return (
    <li>
      <div className={styles.model}>
        <div className={styles.modelBody}>
          <p className={styles.modelName}>
            {model.name}
            {isDefault && <Badge tone="accent">{t("setup.inUse")}</Badge>}
            {state.kind !== "working" && <Badge tone={state.kind === "ready" ? "ok" : "warn"}>{t(`setup.modelState.${state.kind}`)}</Badge>}
          </p>
          <p className={styles.hint}>{[noteOf(model), model.bytes === 0 ? null : formats.bytes(model.bytes), model.licence].filter((fact) => fact !== null && fact !== "").join(" · ")}</p>
          {state.kind === "working" && <Work state={state} />}
        </div>
        <div className={styles.buttons}>
          {!isDefault && state.kind === "ready" && settings !== null && (
            <Button size="small" onClick={() => void changeSettings({ defaultModelId: modelId })}>
              {t("setup.use")}
            </Button>
          )}
          {resting && (
            <Button size="small" busy={busy} onClick={() => act(() => client.models.verify({ modelId }))}>
              {t("setup.verify")}
            </Button>
          )}
          {state.kind === "ready" && (
            <Button size="small" variant="quiet" aria-expanded={showsAbilities} onClick={() => setShowsAbilities((shown) => !shown)}>
              {t("models.abilities")}
            </Button>
          )}
          {state.kind === "working" && state.transfer !== null && (
            <Button size="small" busy={busy} onClick={() => act(() => client.models.pause({ modelId }))}>
              {t("models.pause")}
            </Button>
          )}
          {state.kind === "unfinished" && (
            <Button size="small" variant="primary" busy={busy} onClick={() => act(() => client.models.resume({ modelId }))}>
              {t("models.resume")}
            </Button>
          )}
          {state.kind === "unfinished" && model.bytes > 0 && (
            <Button size="small" variant="quiet" onClick={() => act(() => client.models.leave({ modelId }))}>
              {t("models.leave")}
            </Button>
          )}
          {model.keeping !== "shipped" && resting && (
            <Button size="small" variant="quiet" onClick={() => setRenaming(true)}>
              {t("models.rename")}
            </Button>
          )}
          {model.keeping === "store" && (
            <Button size="small" variant="quiet" busy={busy} onClick={() => act(async () => setRemoval(await client.models.removal({ modelId })))}>
              {t("models.remove")}
            </Button>
          )}
          {model.keeping === "folder" && state.kind !== "working" && (
            <Button size="small" variant="quiet" onClick={() => act(() => client.models.removeFolder({ modelId }))}>
              {t("setup.takeOff")}
            </Button>
          )}
        </div>
      </div>
      {state.kind === "damaged" && state.faults.map((one, index) => <FaultNote key={`${one.code}-${String(index)}`} fault={one} />)}
      {state.kind === "damaged" && model.mend !== null && (
        <Button size="small" busy={busy} onClick={() => act(mend)}>
          {t(`models.mend.${model.mend}`)}
        </Button>
      )}
      {state.kind === "unfinished" && state.fault !== null && <FaultNote fault={state.fault} />}
      {fault !== null && <FaultNote fault={fault} />}
      {showsAbilities && state.kind === "ready" && <ModelAbilities modelId={modelId} />}
      {renaming && (
        <RenameDialog
          name={model.name}
          onClose={() => setRenaming(false)}
          onRename={(name) => {
            setRenaming(false);
            void act(() => client.models.rename({ modelId, name }));
          }}
        />
      )}
      <ConfirmDialog
        open={removal !== null}
        title={t("models.removeQuestion", { name: model.name })}
        description={removal === null ? "" : t(removal.keptFiles.length === 0 ? "models.removeDetail" : "models.removeDetailKept", { size: formats.bytes(removal.freedBytes), files: removal.keptFiles.length })}
        action={t("models.remove")}
        danger
        onConfirm={() => {
          setRemoval(null);
          void act(() => client.models.remove({ modelId }));
        }}
        onCancel={() => setRemoval(null)}
      />
      <ConfirmDialog
        open={ownFolder !== null}
        title={t("models.mendQuestion")}
        description={t("models.mendDetail", { folder: ownFolder ?? "" })}
        action={t("models.mendStart")}
        onConfirm={() => {
          setOwnFolder(null);
          void act(() => client.models.mend({ modelId, ownFolder: true }));
        }}
        onCancel={() => setOwnFolder(null)}
      />
    </li>
  );
}

function Work({ state }: { readonly state: Extract<Model["state"], { kind: "working" }> }) {
  const formats = useFormats();
  const sayIt = useSaid();
  const { t } = useTranslation();
  const { doing, doneBytes, totalBytes, transfer } = state;
  const speed = transfer?.bytesPerSecond ?? null;
  return (
    <>
      <Progress className={styles.meter} label={sayIt(doing)} share={totalBytes === 0 ? null : doneBytes / totalBytes} />
      <p className={styles.hint} role="status">
        {[sayIt(doing), `${formats.bytes(doneBytes)} / ${formats.bytes(totalBytes)}`, speed === null ? null : t("models.speed", { speed: formats.bytes(speed) }), speed === null || speed === 0 ? null : formats.duration((totalBytes - doneBytes) / speed)].filter((part) => part !== null).join(" · ")}
      </p>
      {transfer?.note !== null && transfer?.note !== undefined && <p className={styles.hint}>{sayIt(transfer.note)}</p>}
    </>
  );
}
