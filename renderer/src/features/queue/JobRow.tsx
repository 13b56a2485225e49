import { CirclePlay, Download, EllipsisVertical, FolderOpen, Pause, Play, RotateCw, X } from "lucide-react";
import { useState, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { Job } from "../../../../electron/contract/jobs.schema.ts";
import { showDialog } from "../../app/dialogs.ts";
import { showFaultToast } from "../../app/fault-toast.ts";
import { useInfo } from "../../app/info.ts";
import { navigate } from "../../app/navigation.ts";
import { hashOfRoute } from "../../app/routes.ts";
import { download } from "../../app/targets.ts";
import { client, faultOf } from "../../rpc/client.ts";
import { Badge } from "../../ui/Badge.tsx";
import { Button } from "../../ui/Button.tsx";
import { FaultNote } from "../../ui/FaultNote.tsx";
import { IconButton } from "../../ui/IconButton.tsx";
import { Menu } from "../../ui/Menu.tsx";
import type { MenuEntry } from "../../ui/menu-entries.ts";
import { Picture } from "../../ui/Picture.tsx";
import { Progress } from "../../ui/Progress.tsx";
import { hasEnded, optionsOf, shareOf } from "./job-facts.ts";
import { JobFacts } from "./JobFacts.tsx";
import { JobLog } from "./JobLog.tsx";
import styles from "./Queue.module.css";

export interface JobRowProps {
  readonly job: Job;
  readonly thumbnail: string | null;
  /** Place among those that wait, -1 when it does not wait. */
  readonly place: number;
  readonly places: number;
}

/** One job: what it is, how far it is, and what can be done with it. */
export function JobRow({ job, thumbnail, place, places }: JobRowProps) {
  const { t } = useTranslation();
  const canReveal = useInfo()?.canReveal === true;
  const [logOpen, setLogOpen] = useState(false);
  const options = optionsOf(job);
  const jobId = job.id;
  const attempt = (work: () => Promise<unknown>) => () => {
    work().catch((error: unknown) => showFaultToast(faultOf(error)));
  };
  const openStudio = () => navigate({ page: "studio", projectId: job.projectId });
  const saveResult = attempt(async () => download((await client.jobs.resultUrl({ jobId })).url));
  const { work } = job;
  const captionsBeside = work.kind === "export" && work.request.format === "mp4" && work.request.captions?.place === "beside";
  const saveCaptions = attempt(async () => {
    const { captionsUrl } = await client.jobs.resultUrl({ jobId });
    if (captionsUrl !== null) download(captionsUrl);
  });

  const buttons: readonly (readonly [boolean, string, ReactNode, () => void])[] = [
    [options.play, t("queue.play"), <CirclePlay key="play" />, openStudio],
    [options.result && !canReveal, t("queue.download"), <Download key="download" />, saveResult],
    [options.result && canReveal, t("queue.reveal"), <FolderOpen key="reveal" />, attempt(() => client.jobs.reveal({ jobId }))],
    [options.pause, t("queue.pause"), <Pause key="pause" />, attempt(() => client.jobs.pause({ jobId }))],
    [options.resume, t("queue.resume"), <Play key="resume" />, attempt(() => client.jobs.resume({ jobId }))],
    [options.retry, t("queue.retry"), <RotateCw key="retry" />, attempt(() => client.jobs.retry({ jobId }))],
    [options.cancel, t("queue.cancel"), <X key="cancel" />, attempt(() => client.jobs.cancel({ jobId }))],
  ];
  const entries = (): readonly MenuEntry[] => [
    { kind: "item", id: "studio", label: t("queue.openProject"), onSelect: openStudio },
    ...(options.result && captionsBeside && !canReveal ? [{ kind: "item" as const, id: "captions", label: t("exporting.downloadCaptions"), onSelect: saveCaptions }] : []),
    { kind: "item", id: "log", label: t("queue.log"), onSelect: () => setLogOpen(true) },
    ...(options.move
      ? ([
          { kind: "separator", id: "line-move" },
          { kind: "item", id: "first", label: t("queue.moveFirst"), disabled: place <= 0, onSelect: attempt(() => client.jobs.move({ jobId, position: 0 })) },
          { kind: "item", id: "up", label: t("queue.moveUp"), disabled: place <= 0, onSelect: attempt(() => client.jobs.move({ jobId, position: place - 1 })) },
          { kind: "item", id: "down", label: t("queue.moveDown"), disabled: place >= places - 1, onSelect: attempt(() => client.jobs.move({ jobId, position: place + 1 })) },
        ] as const)
      : []),
    ...(options.forget
      ? ([
          { kind: "separator", id: "line-forget" },
          { kind: "item", id: "forget", label: t("queue.forget"), onSelect: attempt(() => client.jobs.forget({ jobId })) },
        ] as const)
      : []),
  ];

  return (
    <li className={styles.job}>
      <div className={styles.row}>
        <span className={styles.thumbnail}>
          <Picture src={thumbnail} />
        </span>
        <div className={styles.body}>
          <div className={styles.name}>
            <a href={hashOfRoute({ page: "studio", projectId: job.projectId })}>{job.projectName}</a>
            <WorkBadges job={job} />
          </div>
          {!hasEnded(job.state) && (
            <Progress
              className={styles.progress}
              label={t("queue.progressOf", { name: job.projectName })}
              share={job.state.status === "running" && job.state.clipsTotal === 0 ? null : shareOf(job.state)}
              tone={job.state.status === "running" ? "accent" : "muted"}
            />
          )}
          <JobFacts job={job} />
        </div>
        <div className={styles.buttons}>
          {buttons.map(([shown, label, icon, onClick]) => shown && <IconButton key={label} label={label} icon={icon} onClick={onClick} />)}
          <Menu entries={entries} align="end">
            <IconButton label={t("queue.more", { name: job.projectName })} icon={<EllipsisVertical />} />
          </Menu>
        </div>
      </div>
      {job.state.status === "failed" && (
        <div className={styles.fault}>
          <FaultNote
            fault={job.state.fault}
            action={
              <>
                <Button size="small" icon={<RotateCw />} onClick={attempt(() => client.jobs.retry({ jobId }))}>
                  {t("queue.retry")}
                </Button>
                <Button size="small" onClick={() => showDialog("diagnostics")}>
                  {t("queue.help")}
                </Button>
              </>
            }
          />
        </div>
      )}
      {logOpen && <JobLog jobId={jobId} onClose={() => setLogOpen(false)} />}
    </li>
  );
}

function WorkBadges({ job }: { readonly job: Job }) {
  const { t } = useTranslation();
  const { work } = job;
  return (
    <>
      <Badge tone={work.quality === "final" ? "accent" : "neutral"}>{t(`queue.quality.${work.quality}`)}</Badge>
      {work.kind === "export" && <Badge>{t("queue.export", { file: work.fileName })}</Badge>}
      {work.kind === "render" && work.scope.kind !== "all" && <Badge>{t(`queue.scope.${work.scope.kind}`)}</Badge>}
    </>
  );
}
