import { CircleAlert, CircleCheck, CircleDashed, Info } from "lucide-react";
import { useTranslation } from "react-i18next";
import type { SetupCheck } from "../../../../electron/contract/machine.schema.ts";
import { navigate } from "../../app/navigation.ts";
import { useLatest } from "../../rpc/stream.ts";
import { setupChecks } from "../../rpc/streams.ts";
import { Button } from "../../ui/Button.tsx";
import { classes } from "../../ui/classes.ts";
import styles from "./Home.module.css";

const AREAS = ["machine", "runtime", "models"] as const;

/** What is ready and what is not, in one line; the whole story is on the set-up page. */
export function SetupStrip() {
  const { t } = useTranslation();
  const checks = useLatest(setupChecks);
  if (checks === null) return null;
  return (
    <section className={styles.strip} aria-label={t("home.setup")}>
      <div className={styles.stripItems}>
        {AREAS.map((area) => (
          <StripItem key={area} area={area} checks={checks.filter((check) => check.area === area)} />
        ))}
      </div>
      <Button variant="quiet" size="small" onClick={() => navigate({ page: "setup" })}>
        {t("home.setupMore")}
      </Button>
    </section>
  );
}

function StripItem({ area, checks }: { readonly area: SetupCheck["area"]; readonly checks: readonly SetupCheck[] }) {
  const { t } = useTranslation();
  const failed = checks.filter((check) => check.state.kind === "failed").length;
  const working = checks.some((check) => check.state.kind === "checking") || checks.length === 0;
  const noted = checks.some((check) => check.state.kind === "note");
  const [Icon, tone, words] =
    failed > 0
      ? ([CircleAlert, styles.failed, t("home.areaFailed", { count: failed })] as const)
      : working
        ? ([CircleDashed, styles.note, t("home.areaChecking")] as const)
        : noted
          ? ([Info, styles.note, t("home.areaNoted")] as const)
          : ([CircleCheck, styles.ok, t("home.areaReady")] as const);
  return (
    <span className={classes(styles.stripItem, tone)}>
      <Icon size={16} aria-hidden="true" />
      {t("common.named", { name: t(`setup.area.${area}`), text: words })}
    </span>
  );
}
