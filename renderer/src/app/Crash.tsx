import { useTranslation } from "react-i18next";
import { Button } from "../ui/Button.tsx";
import { EmptyState } from "../ui/EmptyState.tsx";
import { showDialog } from "./dialogs.ts";

/** In place of a part of the page that failed. A part that could not be fetched belongs to a program that was replaced meanwhile. */
export function Crash({ error }: { readonly error: Error }) {
  const { t } = useTranslation();
  return (
    <EmptyState
      title={t("app.crash.title")}
      text={t("app.crash.text")}
      action={
        <>
          <Button variant="primary" onClick={() => window.location.reload()}>
            {t("app.reload")}
          </Button>{" "}
          <Button onClick={() => showDialog("diagnostics")}>{t("actions.diagnostics")}</Button>
          <p className="selectable">
            <code>{error.message}</code>
          </p>
        </>
      }
    />
  );
}

/** In place of a whole screen. */
export function ScreenCrash({ error }: { readonly error: Error }) {
  return (
    <main id="screen">
      <Crash error={error} />
    </main>
  );
}
