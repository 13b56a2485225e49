import { useTranslation } from "react-i18next";
import type { Estimate } from "../../../../electron/contract/machine.schema.ts";
import { useFormats } from "../../i18n/index.ts";
import { useSaid } from "../../i18n/server-texts.ts";
import { SaidList } from "../../ui/SaidList.tsx";
import styles from "./Studio.module.css";

/** How it will be computed; on a card also how fast that should be, and why not otherwise. */
export function CardPlan({ plan, onCard }: { readonly plan: Estimate["plan"]; readonly onCard: Estimate["onCard"] }) {
  const { t } = useTranslation();
  const formats = useFormats();
  const sayIt = useSaid();
  if (onCard === null)
    return (
      <p className={styles.plan}>
        <SaidList phrases={plan} />
      </p>
    );
  const pace = (framesPerSecond: number): string => t("studio.pace", { frames: formats.number(Math.round(framesPerSecond * 10) / 10) });
  return (
    <details className={styles.plan}>
      <summary>
        <SaidList phrases={plan} />
      </summary>
      <p>{t("studio.cardSpeed", { pace: pace(onCard.framesPerSecond), seconds: formats.number(Math.round(onCard.firstPictureSeconds * 100) / 100) })}</p>
      {onCard.rejected.length > 0 && (
        <>
          <p>{t("studio.otherWays")}</p>
          <ul tabIndex={0} aria-label={t("studio.otherWays")}>
            {onCard.rejected.map((way) => (
              <li key={way.plan.map((phrase) => phrase.text).join()}>
                <strong>{t("studio.otherWay", { pace: pace(way.framesPerSecond), why: sayIt(way.why) })}</strong>
                <SaidList phrases={way.plan} />
              </li>
            ))}
          </ul>
        </>
      )}
    </details>
  );
}
