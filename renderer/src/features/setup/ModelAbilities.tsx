import { useTranslation } from "react-i18next";
import { useSettings } from "../../app/preferences.ts";
import { useFormats } from "../../i18n/index.ts";
import { client } from "../../rpc/client.ts";
import { lastOf, useCall } from "../../rpc/use-call.ts";
import { Badge } from "../../ui/Badge.tsx";
import { FaultNote } from "../../ui/FaultNote.tsx";
import { SaidList } from "../../ui/SaidList.tsx";
import styles from "./Setup.module.css";

/** What a minute of video would take here with one model, for a few sizes. */
export function ModelAbilities({ modelId }: { readonly modelId: string }) {
  const { t } = useTranslation();
  const formats = useFormats();
  const settings = useSettings();
  const key = settings === null ? null : JSON.stringify([modelId, settings.gpus, settings.shareCards, settings.weightPrecision]);
  const { state } = useCall(key, (signal) => client.models.abilities({ modelId }, { signal }));
  const rows = lastOf(state);
  if (state.kind === "failed") return <FaultNote fault={state.fault} />;
  if (rows === null) return <p role="status">{t("setup.measuring")}</p>;
  return (
    <table className={styles.table}>
      <caption className={styles.hint}>{t("models.abilitiesHint")}</caption>
      <thead>
        <tr>
          <th scope="col">{t("setup.size")}</th>
          <th scope="col">{t("setup.time")}</th>
          <th scope="col">{t("setup.memory")}</th>
          <th scope="col">{t("setup.plan")}</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(({ width, height, estimate }) => (
          <tr key={`${String(width)}x${String(height)}`}>
            <th scope="row">
              {width} × {height}
            </th>
            <td>
              {estimate.seconds === null ? "–" : formats.duration(estimate.seconds)} {estimate.secondsSource === "estimated" && <span className={styles.plan}>{t("setup.estimated")}</span>}
            </td>
            <td>{estimate.memoryBytes === null ? "–" : formats.bytes(estimate.memoryBytes)}</td>
            <td>{estimate.fits ? <span className={styles.plan}><SaidList phrases={estimate.plan} /></span> : estimate.fault === null ? <Badge tone="warn">{t("setup.doesNotFit")}</Badge> : <FaultNote fault={estimate.fault} tone="note" />}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
