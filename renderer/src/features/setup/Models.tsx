import { FolderPlus } from "lucide-react";
import { useTranslation } from "react-i18next";
import type { Model } from "../../../../electron/contract/machine.schema.ts";
import { changeSettings, useSettings } from "../../app/preferences.ts";
import { shell } from "../../app/shell.ts";
import { useFormats } from "../../i18n/index.ts";
import { useSaid } from "../../i18n/server-texts.ts";
import { client } from "../../rpc/client.ts";
import { useStream } from "../../rpc/stream.ts";
import { models } from "../../rpc/streams.ts";
import { useAct } from "../../rpc/use-call.ts";
import { Badge } from "../../ui/Badge.tsx";
import { Button } from "../../ui/Button.tsx";
import { FaultNote } from "../../ui/FaultNote.tsx";
import { Progress } from "../../ui/Progress.tsx";
import { useModelNote } from "./model-note.ts";
import styles from "./Setup.module.css";

/** The models at hand, which one new projects use, and where more are looked for. */
export function Models() {
  const { t } = useTranslation();
  const stream = useStream(models);
  const list = stream.kind === "live" ? stream.value : stream.kind === "failed" ? stream.last : null;
  const { busy, fault, act } = useAct();
  const addFolder = () =>
    act(async () => {
      const [chosen] = (await shell?.chooseFiles({ kind: "model", title: t("setup.addFolder"), filters: [], multiple: false, folder: true })) ?? [];
      if (chosen !== undefined) await client.models.addFolder({ handle: chosen.handle });
    });
  return (
    <section className={styles.section} aria-labelledby="models-heading">
      <div className={styles.head}>
        <h2 id="models-heading">{t("setup.area.models")}</h2>
        {shell !== null && (
          <Button icon={<FolderPlus />} busy={busy} onClick={addFolder}>
            {t("setup.addFolder")}
          </Button>
        )}
      </div>
      <p className={styles.hint}>{t(shell === null ? "setup.modelsHintWeb" : "setup.modelsHint")}</p>
      {fault !== null && <FaultNote fault={fault} />}
      {stream.kind === "failed" && <FaultNote fault={stream.fault} action={<Button onClick={models.restart}>{t("common.retry")}</Button>} />}
      {list !== null && (
        <ul className={styles.list}>
          {list.map((model) => (
            <ModelRow key={model.id} model={model} />
          ))}
        </ul>
      )}
    </section>
  );
}

function ModelRow({ model }: { readonly model: Model }) {
  const { t } = useTranslation();
  const formats = useFormats();
  const settings = useSettings();
  const sayIt = useSaid();
  const noteOf = useModelNote();
  const { busy, fault, act } = useAct();
  const { state } = model;
  const isDefault = settings?.defaultModelId === model.id;
  return (
    <li>
      <div className={styles.model}>
        <div className={styles.modelBody}>
          <p className={styles.modelName}>
            {model.name}
            {isDefault && <Badge tone="accent">{t("setup.inUse")}</Badge>}
            {state.kind !== "working" && <Badge tone={state.kind === "ready" ? "ok" : "warn"}>{t(`setup.modelState.${state.kind}`)}</Badge>}
          </p>
          <p className={styles.hint}>{[noteOf(model), formats.bytes(model.bytes), model.licence].filter((fact) => fact !== null && fact !== "").join(" · ")}</p>
          {state.kind === "working" && (
            <>
              <Progress className={styles.meter} label={sayIt(state.doing)} share={state.totalBytes === 0 ? null : state.doneBytes / state.totalBytes} />
              <p className={styles.hint} role="status">
                {sayIt(state.doing)} · {formats.bytes(state.doneBytes)} / {formats.bytes(state.totalBytes)}
              </p>
            </>
          )}
        </div>
        <div className={styles.buttons}>
          {!isDefault && state.kind === "ready" && settings !== null && (
            <Button size="small" onClick={() => void changeSettings({ defaultModelId: model.id })}>
              {t("setup.use")}
            </Button>
          )}
          {state.kind !== "working" && state.kind !== "missing" && (
            <Button size="small" busy={busy} onClick={() => act(() => client.models.verify({ modelId: model.id }))}>
              {t("setup.verify")}
            </Button>
          )}
          {model.kind !== "demo" && (
            <Button size="small" variant="quiet" onClick={() => act(() => client.models.removeFolder({ modelId: model.id }))}>
              {t("setup.takeOff")}
            </Button>
          )}
        </div>
      </div>
      {state.kind === "damaged" && state.faults.map((one, index) => <FaultNote key={`${one.code}-${String(index)}`} fault={one} />)}
      {fault !== null && <FaultNote fault={fault} />}
    </li>
  );
}
