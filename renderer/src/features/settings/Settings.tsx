import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { Settings as StudioSettings } from "../../../../electron/contract/settings.schema.ts";
import { changeSettings, useSettings } from "../../app/preferences.ts";
import { useStream } from "../../rpc/stream.ts";
import { models, settings as settingsStream } from "../../rpc/streams.ts";
import { Button } from "../../ui/Button.tsx";
import { FaultNote } from "../../ui/FaultNote.tsx";
import { Segmented } from "../../ui/Segmented.tsx";
import { Select } from "../../ui/Select.tsx";
import { Spinner } from "../../ui/Spinner.tsx";
import { Switch } from "../../ui/Switch.tsx";
import { useModelNote } from "../setup/model-note.ts";
import { About } from "./About.tsx";
import styles from "./Settings.module.css";
import { Shortcuts } from "./Shortcuts.tsx";

/** What the user chooses for the whole program. Everything takes effect at once. */
export default function Settings() {
  const { t } = useTranslation();
  const stream = useStream(settingsStream);
  const settings = useSettings();
  return (
    <div className={styles.page}>
      <h1>{t("settings.title")}</h1>
      {stream.kind === "failed" && <FaultNote fault={stream.fault} action={<Button onClick={settingsStream.restart}>{t("common.retry")}</Button>} />}
      {settings === null ? stream.kind === "waiting" && <Spinner /> : <Choices settings={settings} />}
      <Shortcuts />
      {settings !== null && <About settings={settings} />}
    </div>
  );
}

function Choices({ settings }: { readonly settings: StudioSettings }) {
  const { t } = useTranslation();
  const modelStream = useStream(models);
  const noteOf = useModelNote();
  const list = modelStream.kind === "live" ? modelStream.value : [];
  const modelOptions = list.map((model) => ({ value: model.id, label: model.name, hint: noteOf(model), disabled: model.state.kind !== "ready" }));
  return (
    <section className={styles.box} aria-label={t("settings.title")}>
      <Row label={t("settings.language")}>
        <Segmented
          label={t("settings.language")}
          value={settings.language}
          options={[
            { value: "system", label: t("settings.system") },
            { value: "en", label: "English" },
            { value: "zh", label: "中文" },
          ]}
          onChange={(language) => void changeSettings({ language })}
        />
      </Row>
      <Row label={t("settings.theme")}>
        <Segmented
          label={t("settings.theme")}
          value={settings.theme}
          options={[
            { value: "system", label: t("settings.system") },
            { value: "light", label: t("settings.light") },
            { value: "dark", label: t("settings.dark") },
          ]}
          onChange={(theme) => void changeSettings({ theme })}
        />
      </Row>
      {modelOptions.length > 0 && (
        <Row label={t("settings.model")} hint={t("settings.modelHint")}>
          <Select className={styles.select} label={t("settings.model")} value={settings.defaultModelId} options={modelOptions} onChange={(defaultModelId) => void changeSettings({ defaultModelId })} />
        </Row>
      )}
      <Row label={t("settings.precision")} hint={t("settings.precisionHint")}>
        <Select
          className={styles.select}
          label={t("settings.precision")}
          value={settings.weightPrecision}
          options={[
            { value: "auto", label: t("settings.precisionAuto") },
            { value: "fp8", label: "fp8", hint: t("settings.precisionFp8") },
            { value: "bf16", label: "bf16", hint: t("settings.precisionBf16") },
            { value: "fp32", label: "fp32", hint: t("settings.precisionFp32") },
          ]}
          onChange={(weightPrecision) => void changeSettings({ weightPrecision })}
        />
      </Row>
      <div className={styles.row}>
        <div className={styles.whole}>
          <Switch label={t("setup.networkSwitch")} hint={t(settings.networkAllowed ? "setup.networkOn" : "setup.networkOff")} checked={settings.networkAllowed} onChange={(networkAllowed) => void changeSettings({ networkAllowed })} />
        </div>
      </div>
    </section>
  );
}

function Row({ label, hint, children }: { readonly label: string; readonly hint?: string; readonly children: ReactNode }) {
  return (
    <div className={styles.row}>
      <div className={styles.rowText}>
        <p>{label}</p>
        {hint !== undefined && <p className={styles.hint}>{hint}</p>}
      </div>
      {children}
    </div>
  );
}
