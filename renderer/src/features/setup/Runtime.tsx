import { FolderOpen, RefreshCw } from "lucide-react";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { assertNever } from "../../../../electron/contract/assert-never.ts";
import type { RuntimeReport } from "../../../../electron/contract/runtime.schema.ts";
import { useSettings } from "../../app/preferences.ts";
import { shell } from "../../app/shell.ts";
import { useFormats } from "../../i18n/index.ts";
import { useSaid } from "../../i18n/server-texts.ts";
import { client } from "../../rpc/client.ts";
import { useStream } from "../../rpc/stream.ts";
import { runtime } from "../../rpc/streams.ts";
import { useAct } from "../../rpc/use-call.ts";
import { Button } from "../../ui/Button.tsx";
import { FaultNote } from "../../ui/FaultNote.tsx";
import { TextField } from "../../ui/Field.tsx";
import { Progress } from "../../ui/Progress.tsx";
import { RuntimeArchives } from "./RuntimeArchives.tsx";
import styles from "./Setup.module.css";

/** The engine's Python: which one is used, what can be installed, and how far that is. */
export function Runtime() {
  const { t } = useTranslation();
  const stream = useStream(runtime);
  const report = stream.kind === "live" ? stream.value : stream.kind === "failed" ? stream.last : null;
  return (
    <section className={styles.section} aria-labelledby="engine-heading">
      <h2 id="engine-heading">{t("runtime.title")}</h2>
      {stream.kind === "failed" && <FaultNote fault={stream.fault} action={<Button onClick={runtime.restart}>{t("common.retry")}</Button>} />}
      {report !== null && <Report report={report} />}
    </section>
  );
}

function Report({ report }: { readonly report: RuntimeReport }) {
  const { t } = useTranslation();
  const settings = useSettings();
  const { busy, fault, act } = useAct();
  // Drives come and go: whoever opens the page sees what is there now.
  useEffect(() => void client.runtime.search().catch(() => undefined), []);
  const { current, previous, activity } = report;
  const idle = activity.kind !== "working";
  const choose = () =>
    act(async () => {
      const [chosen] = (await shell?.chooseFiles({ kind: "runtime", title: t("runtime.choose"), filters: [{ name: t("runtime.archives"), extensions: ["json"] }], multiple: false, folder: false })) ?? [];
      if (chosen !== undefined) await client.runtime.add({ handle: chosen.handle });
    });
  return (
    <>
      <div className={styles.box}>
        {current === null ? (
          <p>{t("runtime.none")}</p>
        ) : (
          <p>
            {current.name ?? t("runtime.title")} · {t(`runtime.kind.${current.kind}`)}
          </p>
        )}
        <p className={`${styles.hint ?? ""} selectable`}>{current === null ? t("runtime.where", { folder: report.folder }) : current.folder}</p>
        <Activity activity={activity} />
      </div>
      <RuntimeArchives report={report} act={act} busy={busy || !idle} />
      {fault !== null && <FaultNote fault={fault} />}
      {idle && (
        <div className={styles.buttons}>
          <Button size="small" icon={<RefreshCw />} busy={activity.kind === "searching"} onClick={() => act(() => client.runtime.search())}>
            {t("runtime.search")}
          </Button>
          {shell !== null && (
            <Button size="small" icon={<FolderOpen />} onClick={choose}>
              {t("runtime.choose")}
            </Button>
          )}
          {(current?.kind === "installed" || current?.kind === "shipped") && (
            <Button size="small" onClick={() => act(() => client.runtime.verify())}>
              {t("runtime.verify")}
            </Button>
          )}
          {previous !== null && (
            <Button size="small" onClick={() => act(() => client.runtime.goBack())}>
              {t("runtime.goBack", { name: previous })}
            </Button>
          )}
        </div>
      )}
      {idle && settings?.networkAllowed === true && <FromAddress />}
    </>
  );
}

/** What goes on, or what came of it. */
function Activity({ activity }: { readonly activity: RuntimeReport["activity"] }) {
  const { t } = useTranslation();
  const formats = useFormats();
  const sayIt = useSaid();
  switch (activity.kind) {
    case "idle":
      return null;
    case "searching":
      return <p role="status">{t("runtime.searching")}</p>;
    case "working": {
      const { said, doneBytes, totalBytes } = activity;
      return (
        <>
          <Progress className={styles.meter} label={sayIt(said)} share={totalBytes === 0 ? null : doneBytes / totalBytes} />
          <p role="status">
            {sayIt(said)}
            {totalBytes > 0 && ` · ${formats.bytes(doneBytes)} / ${formats.bytes(totalBytes)}`}
          </p>
          <Button size="small" onClick={() => void client.runtime.cancel()}>
            {t("common.cancel")}
          </Button>
        </>
      );
    }
    case "done":
      return (
        <>
          <p role="status">{sayIt(activity.said)}</p>
          {activity.warning !== null && <FaultNote tone="note" fault={activity.warning} />}
        </>
      );
    case "failed":
      return <FaultNote fault={activity.fault} />;
    default:
      return assertNever(activity);
  }
}

/** Only where the network is switched on: nothing else here uses it. */
function FromAddress() {
  const { t } = useTranslation();
  const { busy, fault, act } = useAct();
  const [address, setAddress] = useState("");
  return (
    <form
      className={styles.box}
      onSubmit={(event) => {
        event.preventDefault();
        void act(() => client.runtime.installFrom({ address: address.trim() }));
      }}
    >
      <TextField label={t("runtime.address")} hint={t("runtime.addressHint")} type="url" value={address} onChange={setAddress} />
      <Button type="submit" size="small" busy={busy} disabled={address.trim() === ""}>
        {t("runtime.download")}
      </Button>
      {fault !== null && <FaultNote fault={fault} />}
    </form>
  );
}
