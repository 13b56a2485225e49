import { Copy } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { client } from "../../rpc/client.ts";
import { lastOf, useCall } from "../../rpc/use-call.ts";
import { Button } from "../../ui/Button.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { FaultNote } from "../../ui/FaultNote.tsx";
import { Checkbox } from "../../ui/Switch.tsx";
import { showToast } from "../../ui/toasts.ts";
import styles from "./Diagnostics.module.css";
import { Troubles } from "./Troubles.tsx";

/** What is wrong, as far as the studio can tell, and a report for somebody who helps. Private things only when ticked. */
export default function Diagnostics({ onClose }: { readonly onClose: () => void }) {
  const { t } = useTranslation();
  const [withPaths, setWithPaths] = useState(false);
  const [withPrompts, setWithPrompts] = useState(false);
  const { state } = useCall(`report ${String(withPaths)} ${String(withPrompts)}`, (signal) => client.diagnostics.report({ withPaths, withPrompts }, { signal }));
  const report = lastOf(state);
  const copy = async () => {
    if (report === null) return;
    try {
      await navigator.clipboard.writeText(report.text);
      showToast(t("diagnostics.copied"));
    } catch {
      // Pages on other machines without https have no clipboard: the text can be selected.
      showToast(t("diagnostics.copyByHand"));
    }
  };
  return (
    <Dialog
      open
      onClose={onClose}
      size="large"
      title={t("diagnostics.title")}
      description={t("diagnostics.description")}
      footer={
        <Button variant="primary" icon={<Copy />} disabled={report === null || state.kind === "loading"} onClick={copy}>
          {t("diagnostics.copy")}
        </Button>
      }
    >
      <div className={styles.stack}>
        <Troubles />
        <div className={styles.ticks}>
          <Checkbox label={t("diagnostics.withPaths")} checked={withPaths} onChange={setWithPaths} />
          <Checkbox label={t("diagnostics.withPrompts")} checked={withPrompts} onChange={setWithPrompts} />
        </div>
        {state.kind === "failed" && <FaultNote fault={state.fault} />}
        <pre className={styles.report} tabIndex={0} role="region" aria-label={t("diagnostics.report")}>
          {report?.text ?? t("app.loading")}
        </pre>
      </div>
    </Dialog>
  );
}
