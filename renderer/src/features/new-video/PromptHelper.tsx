import { Plus } from "lucide-react";
import { useTranslation } from "react-i18next";
import { classes } from "../../ui/classes.ts";
import styles from "./NewVideo.module.css";
import { hasPhrase, togglePhrase } from "./phrases.ts";

export const PROMPT_PARTS = ["appearance", "action", "light", "style"] as const;

/** The four parts of a good prompt, each with phrases that are put in and taken out by a click. */
export function PromptHelper({ text, onChange }: { readonly text: string; readonly onChange: (text: string) => void }) {
  const { t } = useTranslation();
  return (
    <div className={styles.helper}>
      {PROMPT_PARTS.map((part) => (
        <div key={part} role="group" aria-label={t(`newVideo.part.${part}.name`)}>
          <p className={styles.partName}>
            {t(`newVideo.part.${part}.name`)} <span className={styles.small}>{t(`newVideo.part.${part}.hint`)}</span>
          </p>
          <div className={styles.chips}>
            {t(`newVideo.part.${part}.phrases`, { returnObjects: true }).map((phrase) => {
              const used = hasPhrase(text, phrase);
              return (
                <button key={phrase} type="button" className={classes(styles.chip, used && styles.chipUsed)} aria-pressed={used} onClick={() => onChange(togglePhrase(text, phrase))}>
                  {!used && <Plus size={12} aria-hidden="true" />}
                  {phrase}
                </button>
              );
            })}
          </div>
        </div>
      ))}
    </div>
  );
}
