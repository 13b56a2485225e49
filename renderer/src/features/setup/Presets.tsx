import { useTranslation } from "react-i18next";
import { useFormats } from "../../i18n/index.ts";
import { client } from "../../rpc/client.ts";
import { lastOf, useCall } from "../../rpc/use-call.ts";
import { Badge } from "../../ui/Badge.tsx";
import { Button } from "../../ui/Button.tsx";
import { FaultNote } from "../../ui/FaultNote.tsx";
import { usePresetName } from "../new-video/preset-name.ts";
import { useSettings } from "../../app/preferences.ts";
import { SaidList } from "../../ui/SaidList.tsx";
import styles from "./Setup.module.css";

/** What each preset would take here for one minute of video. */
export function Presets() {
  const { t } = useTranslation();
  const formats = useFormats();
  const nameOf = usePresetName();
  const settings = useSettings();
  // Other cards, another precision or another model: other figures.
  const key = settings === null ? null : JSON.stringify([settings.gpus, settings.shareCards, settings.weightPrecision, settings.defaultModelId]);
  const { state, again } = useCall(key, (signal) => client.render.presets({ projectId: null }, { signal }));
  const rows = lastOf(state);
  return (
    <section className={styles.section} aria-labelledby="presets-heading">
      <h2 id="presets-heading">{t("setup.presets")}</h2>
      <p className={styles.hint}>{t("setup.presetsHint")}</p>
      {state.kind === "failed" && <FaultNote fault={state.fault} action={<Button onClick={again}>{t("common.retry")}</Button>} />}
      {state.kind === "loading" && rows === null && <p role="status">{t("setup.measuring")}</p>}
      {rows !== null && (
        <div className={styles.list}>
          <table className={styles.table}>
            <thead>
              <tr>
                <th scope="col">{t("setup.preset")}</th>
                <th scope="col">{t("setup.size")}</th>
                <th scope="col">{t("setup.time")}</th>
                <th scope="col">{t("setup.memory")}</th>
                <th scope="col">{t("setup.disk")}</th>
                <th scope="col">{t("setup.plan")}</th>
              </tr>
            </thead>
            <tbody>
              {rows.map(({ preset, estimate }) => (
                <tr key={preset}>
                  <th scope="row">{nameOf(preset)}</th>
                  <td>
                    {estimate.width} × {estimate.height}
                  </td>
                  <td>
                    {estimate.seconds === null ? "–" : formats.duration(estimate.seconds)} {estimate.secondsSource === "estimated" && <span className={styles.plan}>{t("setup.estimated")}</span>}
                  </td>
                  <td>{estimate.memoryBytes === null ? "–" : formats.bytes(estimate.memoryBytes)}</td>
                  <td>{estimate.diskBytes === null ? "–" : formats.bytes(estimate.diskBytes)}</td>
                  <td>
                    {estimate.fits ? <span className={styles.plan}><SaidList phrases={estimate.plan} /></span> : estimate.fault === null ? <Badge tone="warn">{t("setup.doesNotFit")}</Badge> : <FaultNote fault={estimate.fault} tone="note" />}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
