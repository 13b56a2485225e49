import { useTranslation } from "react-i18next";
import type { Portion, RankReport } from "../../../../electron/contract/machine.schema.ts";
import { useFormats } from "../../i18n/index.ts";
import { Badge } from "../../ui/Badge.tsx";
import styles from "./Setup.module.css";

/** What a process of the engine does: whether it works, its part of the model, how fast it gets on. */
export function RankLine({ rank, several }: { readonly rank: RankReport; readonly several: boolean }) {
  const { t } = useTranslation();
  const formats = useFormats();
  const part = (key: "layers" | "steps", portion: Portion | null) =>
    portion === null || portion.count === 0 ? null : portion.count === portion.of ? t(`setup.rank.${key}All`, { count: portion.of }) : t(`setup.rank.${key}`, { first: portion.first + 1, last: portion.first + portion.count, count: portion.of });
  const facts = [
    several ? t("setup.rank.number", { number: rank.rank }) : null,
    rank.layers?.count === 0 ? t("setup.rank.decodes") : part("layers", rank.layers),
    part("steps", rank.steps),
    // Slow machines make a block in a minute: there is no pace before the second one.
    rank.framesPerSecond === null || rank.framesPerSecond === 0 || rank.state !== "working" ? null : t("queue.speed", { value: formats.number(rank.framesPerSecond, 1) }),
    rank.memory === null ? null : t("setup.rank.holds", { memory: formats.bytes(rank.memory.usedBytes) }),
  ];
  return (
    <p className={styles.rank}>
      <Badge tone={rank.state === "working" ? "accent" : "neutral"}>{t(`setup.rank.state.${rank.state}`)}</Badge>
      {facts
        .filter((fact) => fact !== null)
        .map((fact) => (
          <span key={fact}>{fact}</span>
        ))}
    </p>
  );
}
