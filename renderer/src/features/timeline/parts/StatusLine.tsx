import { Info, Lock, TriangleAlert, X } from "lucide-react";
import { useTranslation } from "react-i18next";
import { useStore } from "zustand";
import { useEditor, type EditorSession } from "../../../editor/editor-session.ts";
import { useFaultText } from "../../../i18n/server-texts.ts";
import type { Fault } from "../../../../../electron/contract/fault.schema.ts";
import { IconButton } from "../../../ui/IconButton.tsx";
import { Spinner } from "../../../ui/Spinner.tsx";
import { imports } from "../imports.ts";
import styles from "./Toolbar.module.css";

/** One line about what just happened: why an edit could not be done, what is being imported, that nothing can be edited. */
export function StatusLine({ session }: { readonly session: EditorSession }) {
  return (
    <div className={styles.status} role="status">
      <Message session={session} />
    </div>
  );
}

function Message({ session }: { readonly session: EditorSession }) {
  const { t } = useTranslation();
  const refusal = useEditor(session, (state) => state.refusal);
  const readOnly = useEditor(session, (state) => state.readOnly);
  const { running, failed } = useStore(imports);
  const [first] = running;
  if (first !== undefined) {
    return (
      <>
        <Spinner />
        <span>{t("timeline.importing", { name: first })}</span>
      </>
    );
  }
  if (failed !== null) return failed.reason.kind === "fault" ? <FailedImport name={failed.name} fault={failed.reason.fault} /> : <Failure text={t("timeline.wrongDrop", { name: failed.name })} />;
  if (refusal !== null) {
    return (
      <>
        <Info className={styles.refused} aria-hidden="true" />
        <span className={styles.refused}>{t(`editor.refusal.${refusal}`)}</span>
      </>
    );
  }
  if (readOnly) {
    return (
      <>
        <Lock aria-hidden="true" />
        <span>{t("editor.readOnly")}</span>
      </>
    );
  }
  return null;
}

function FailedImport({ name, fault }: { readonly name: string; readonly fault: Fault }) {
  const { what, why, hint } = useFaultText(fault);
  return <Failure text={`${name}: ${[what, why, hint].filter((part) => part !== "").join(" ")} (${fault.code})`} />;
}

function Failure({ text }: { readonly text: string }) {
  const { t } = useTranslation();
  return (
    <>
      <TriangleAlert className={styles.failed} aria-hidden="true" />
      <span className={styles.failed} title={text}>
        {text}
      </span>
      <IconButton label={t("common.dismiss")} icon={<X />} size="small" onClick={() => imports.setState({ failed: null })} />
    </>
  );
}
