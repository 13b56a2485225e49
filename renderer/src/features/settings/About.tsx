import { useState } from "react";
import { useTranslation } from "react-i18next";
import { noticesAddress } from "../../../../electron/contract/addresses.ts";
import type { Settings } from "../../../../electron/contract/settings.schema.ts";
import { useInfo } from "../../app/info.ts";
import { changeSettings } from "../../app/preferences.ts";
import { client } from "../../rpc/client.ts";
import { lastOf, useCall } from "../../rpc/use-call.ts";
import { Button } from "../../ui/Button.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { TextField } from "../../ui/Field.tsx";
import styles from "./Settings.module.css";

/** Which version this is, who made its parts, and, for whom wants it, whether there is a newer one. */
export function About({ settings }: { readonly settings: Settings }) {
  const { t } = useTranslation();
  const info = useInfo();
  const [open, setOpen] = useState(false);
  return (
    <section aria-labelledby="about-heading">
      <h2 id="about-heading" className={styles.heading}>{t("settings.about.title")}</h2>
      <div className={styles.box}>
        <div className={styles.row}>
          <div className={styles.rowText}>
            <p className="selectable">{t("settings.about.version", { version: info?.version ?? "…" })}</p>
            <p className={styles.hint}>{t("settings.about.licencesHint")}</p>
          </div>
          <Button onClick={() => setOpen(true)}>{t("settings.about.licences")}</Button>
        </div>
        <div className={styles.row}>
          <div className={styles.whole}>
            <Updates settings={settings} />
          </div>
        </div>
      </div>
      <Dialog open={open} onClose={() => setOpen(false)} title={t("settings.about.licences")} size="large">
        <Notices />
      </Dialog>
    </section>
  );
}

/** Asked when the page is opened with an address; the server asks at most once a run. */
function Updates({ settings }: { readonly settings: Settings }) {
  const { t } = useTranslation();
  const { updateAddress, networkAllowed } = settings;
  const [text, setText] = useState(updateAddress ?? "");
  const [wrong, setWrong] = useState(false);
  const { state } = useCall(updateAddress === null || !networkAllowed ? null : `update ${updateAddress}`, () => client.system.update());
  const release = updateAddress === null || !networkAllowed ? null : lastOf(state);
  const keep = () => {
    const next = text.trim() === "" ? null : text.trim();
    const valid = next === null || isAddress(next);
    setWrong(!valid);
    if (valid && next !== updateAddress) void changeSettings({ updateAddress: next });
  };
  return (
    <>
      <TextField
        label={t("settings.about.updates")}
        hint={updateAddress !== null && !networkAllowed ? t("settings.about.updatesOffline") : t("settings.about.updatesHint")}
        problem={wrong ? t("settings.about.updatesInvalid") : null}
        type="url"
        value={text}
        onChange={setText}
        onBlur={keep}
      />
      {release !== null && (
        <p role="status" className="selectable">
          {t("settings.about.newer", { version: release.version, page: release.page })}
        </p>
      )}
    </>
  );
}

function isAddress(text: string): boolean {
  try {
    return ["http:", "https:"].includes(new URL(text).protocol);
  } catch {
    return false;
  }
}

function Notices() {
  const { t } = useTranslation();
  const { state } = useCall("notices", async (signal) => {
    const response = await fetch(noticesAddress, { signal });
    return response.ok ? response.text() : null;
  });
  if (state.kind === "loading") return null;
  const text = lastOf(state);
  return text === null ? <p>{t("settings.about.noLicences")}</p> : <pre className={`${styles.notices ?? ""} selectable`} tabIndex={0}>{text}</pre>;
}
