import { ListVideo } from "lucide-react";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import type { Job } from "../../../../electron/contract/jobs.schema.ts";
import { showFaultToast } from "../../app/fault-toast.ts";
import { navigate } from "../../app/navigation.ts";
import { client, faultOf } from "../../rpc/client.ts";
import { useStream } from "../../rpc/stream.ts";
import { jobs } from "../../rpc/streams.ts";
import { lastOf, useCall } from "../../rpc/use-call.ts";
import { Button } from "../../ui/Button.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { FaultNote } from "../../ui/FaultNote.tsx";
import { hasEnded, inReadingOrder } from "./job-facts.ts";
import { JobRow } from "./JobRow.tsx";
import { LoadCharts } from "./LoadCharts.tsx";
import styles from "./Queue.module.css";

/** All renders and exports, and what they do to the machine. */
export default function Queue() {
  const { t } = useTranslation();
  const stream = useStream(jobs);
  const list = stream.kind === "live" ? stream.value : stream.kind === "failed" ? stream.last : null;
  const { open, ended } = useMemo(() => inReadingOrder(list ?? []), [list]);
  const waiting = open.filter((job) => job.state.status === "queued");
  const thumbnails = useThumbnails(list);
  const rows = (some: readonly Job[]) =>
    some.map((job) => <JobRow key={job.id} job={job} thumbnail={thumbnails.get(job.projectId) ?? null} place={waiting.indexOf(job)} places={waiting.length} />);
  const clear = () => {
    Promise.all(ended.map((job) => client.jobs.forget({ jobId: job.id }))).catch((error: unknown) => showFaultToast(faultOf(error)));
  };

  return (
    <div className={styles.page}>
      <div className={styles.lists}>
        <h1 className={styles.title}>{t("queue.title")}</h1>
        {stream.kind === "failed" && <FaultNote fault={stream.fault} action={<Button onClick={jobs.restart}>{t("common.retry")}</Button>} />}
        {list?.length === 0 && (
          <div className={styles.empty}>
            <EmptyState icon={<ListVideo size={32} />} title={t("queue.empty")} text={t("queue.emptyText")} action={<Button onClick={() => navigate({ page: "home" })}>{t("queue.toHome")}</Button>} />
          </div>
        )}
        {open.length > 0 && (
          <ol className={styles.list} aria-label={t("queue.open")}>
            {rows(open)}
          </ol>
        )}
        {ended.length > 0 && (
          <section aria-labelledby="ended-heading">
            <div className={styles.head}>
              <h2 id="ended-heading">{t("queue.ended")}</h2>
              <Button variant="quiet" size="small" onClick={clear}>
                {t("queue.clear")}
              </Button>
            </div>
            <ol className={styles.list} aria-labelledby="ended-heading">
              {rows(ended)}
            </ol>
          </section>
        )}
      </div>
      <LoadCharts />
    </div>
  );
}

/** Pictures of the projects whose jobs are listed; asked again when a job of another project appears or one ends. */
function useThumbnails(list: readonly Job[] | null): ReadonlyMap<string, string> {
  const key = list === null ? null : list.map((job) => `${job.projectId}${hasEnded(job.state) ? "." : ""}`).join(" ");
  const { state } = useCall(key, (signal) => client.projects.list(undefined, { signal }));
  const projects = lastOf(state);
  return useMemo(() => new Map((projects ?? []).flatMap((project) => (project.thumbnail === null ? [] : [[project.id, project.thumbnail] as const]))), [projects]);
}
