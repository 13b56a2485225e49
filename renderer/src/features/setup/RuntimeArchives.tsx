import { useTranslation } from "react-i18next";
import type { RuntimeArchive, RuntimeReport } from "../../../../electron/contract/runtime.schema.ts";
import { shell } from "../../app/shell.ts";
import { useFormats } from "../../i18n/index.ts";
import { client } from "../../rpc/client.ts";
import { Badge } from "../../ui/Badge.tsx";
import { Button } from "../../ui/Button.tsx";
import { FaultNote } from "../../ui/FaultNote.tsx";
import styles from "./Setup.module.css";

interface RuntimeArchivesProps {
  readonly report: RuntimeReport;
  readonly act: (work: () => Promise<unknown>) => Promise<boolean>;
  readonly busy: boolean;
}

/** What was found to install, the one that suits this machine marked, and why another cannot be used. */
export function RuntimeArchives({ report, act, busy }: RuntimeArchivesProps) {
  const { t } = useTranslation();
  const { archives, current, activity } = report;
  if (archives.length === 0) {
    // Who has an engine needs no archive.
    return current !== null || activity.kind === "searching" ? null : <p className={styles.hint}>{t(shell === null ? "runtime.noArchiveWeb" : "runtime.noArchive")}</p>;
  }
  return (
    <ul className={styles.list} aria-label={t("runtime.archives")}>
      {archives.map((archive) => (
        <Row key={archive.id} archive={archive} recommended={archive.id === report.recommended} first={current === null} busy={busy} install={() => act(() => client.runtime.install({ archiveId: archive.id }))} />
      ))}
    </ul>
  );
}

interface RowProps {
  readonly archive: RuntimeArchive;
  readonly recommended: boolean;
  /** Nothing is installed: this is the one thing to do on the page. */
  readonly first: boolean;
  readonly busy: boolean;
  readonly install: () => void;
}

function Row({ archive, recommended, first, busy, install }: RowProps) {
  const { t } = useTranslation();
  const formats = useFormats();
  const [fault] = archive.faults;
  return (
    <li>
      <div className={styles.model}>
        <div className={styles.modelBody}>
          <p className={styles.modelName}>
            {archive.name}
            {recommended && <Badge tone="accent">{t("runtime.recommended")}</Badge>}
          </p>
          <p className={`${styles.hint ?? ""} selectable`}>{[t(`runtime.gpu.${archive.gpu}`), t("runtime.sizes", { packed: formats.bytes(archive.bytes), unpacked: formats.bytes(archive.unpackedBytes) }), archive.folder].join(" · ")}</p>
        </div>
        {fault === undefined && (
          <Button size={first ? "normal" : "small"} variant={first && recommended ? "primary" : "secondary"} disabled={busy} onClick={install}>
            {t(first && recommended ? "runtime.install" : "runtime.installThis")}
          </Button>
        )}
      </div>
      {fault !== undefined && <FaultNote tone="note" fault={fault} />}
    </li>
  );
}
