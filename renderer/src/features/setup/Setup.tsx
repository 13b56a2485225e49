import { useTranslation } from "react-i18next";
import { changeSettings, useSettings } from "../../app/preferences.ts";
import { Switch } from "../../ui/Switch.tsx";
import { Checks } from "./Checks.tsx";
import { Machine } from "./Machine.tsx";
import { Models } from "./Models.tsx";
import { Presets } from "./Presets.tsx";
import { Runtime } from "./Runtime.tsx";
import styles from "./Setup.module.css";
import { Troubles } from "../help/Troubles.tsx";

/** What this machine can do, whether the program is complete, and which models there are. */
export default function Setup() {
  const { t } = useTranslation();
  const settings = useSettings();
  return (
    <div className={styles.page}>
      <h1>{t("setup.title")}</h1>
      <Machine />
      <Presets />
      <Checks />
      <Runtime />
      <Models />
      <section className={styles.section} aria-labelledby="troubles-heading">
        <h2 id="troubles-heading">{t("diagnostics.troubles")}</h2>
        <Troubles />
      </section>
      <section className={styles.section} aria-labelledby="network-heading">
        <h2 id="network-heading">{t("setup.network")}</h2>
        <div className={styles.box}>
          {settings !== null && (
            <Switch label={t("setup.networkSwitch")} hint={t(settings.networkAllowed ? "setup.networkOn" : "setup.networkOff")} checked={settings.networkAllowed} onChange={(networkAllowed) => void changeSettings({ networkAllowed })} />
          )}
        </div>
      </section>
    </div>
  );
}
