import { useTranslation } from "react-i18next";
import { Dialog } from "../ui/Dialog.tsx";
import styles from "./About.module.css";
import { useInfo } from "./info.ts";

export function About({ onClose }: { readonly onClose: () => void }) {
  const { t } = useTranslation();
  const info = useInfo();
  const facts = info === null ? [] : [["version", info.version], ["mode", t(`app.about.modes.${info.mode}`)], ["platform", info.platform], ["dataFolder", info.dataFolder]] as const;
  return (
    <Dialog open onClose={onClose} title={t("actions.about")} description={t("app.about.text")}>
      <dl className={styles.facts}>
        {facts.map(([name, value]) => (
          <div key={name} className={styles.fact}>
            <dt>{t(`app.about.${name}`)}</dt>
            <dd className="selectable">{value}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
