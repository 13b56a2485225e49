import { useTranslation } from "react-i18next";
import { client } from "../../rpc/client.ts";
import { lastOf, useCall } from "../../rpc/use-call.ts";
import { FaultNote } from "../../ui/FaultNote.tsx";
import { FindingList } from "../../ui/FindingList.tsx";
import { Spinner } from "../../ui/Spinner.tsx";

/** What the checks say about a picture or a recording. */
export function MaterialFindings({ projectId, mediaId }: { readonly projectId: string; readonly mediaId: string }) {
  const { t } = useTranslation();
  const { state } = useCall(`${projectId} ${mediaId}`, (signal) => client.media.check({ projectId, mediaId, quality: "preview" }, { signal }));
  if (state.kind === "failed") return <FaultNote fault={state.fault} tone="note" />;
  const check = lastOf(state);
  if (check === null) {
    return (
      <p role="status">
        <Spinner /> {t("inspector.checking")}
      </p>
    );
  }
  return <FindingList findings={check.findings} label={t("inspector.checks")} />;
}
