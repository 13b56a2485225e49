import { useTranslation } from "react-i18next";
import { Button } from "../../ui/Button.tsx";
import styles from "./ExportDialog.module.css";
import { listed, type Readiness } from "./request.ts";

/** Which clips are not what the timeline says, why, and the way to mend it. Nothing when all are. */
export function ClipsNote({ readiness, busy, onRender }: { readonly readiness: Readiness; readonly busy: boolean; readonly onRender: () => void }) {
  const { t } = useTranslation();
  const { clips, missing, stale, underWay, reasons } = readiness;
  if (missing + stale.length === 0) return null;
  return (
    <div className={styles.warning} role="status">
      {missing > 0 && <p>{t("exporting.missing", { count: missing, total: clips })}</p>}
      {stale.length > 0 && (
        <>
          <p>{t("exporting.stale", { count: stale.length, total: clips, numbers: listed(stale) })}</p>
          {reasons.length > 0 && <p>{t("exporting.because", { reasons: reasons.map((reason) => t(`timeline.reason.${reason}`)).join(t("exporting.listSeparator")) })}</p>}
          {missing === 0 && <p>{t("exporting.staleMeans")}</p>}
        </>
      )}
      {underWay > 0 ? (
        <p>{t("exporting.underWay", { count: underWay })}</p>
      ) : (
        <Button size="small" busy={busy} onClick={onRender}>
          {t("exporting.renderFirst")}
        </Button>
      )}
    </div>
  );
}
