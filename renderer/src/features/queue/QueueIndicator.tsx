import { ListVideo } from "lucide-react";
import { useTranslation } from "react-i18next";
import { useRoute } from "../../app/navigation.ts";
import { hashOfRoute } from "../../app/routes.ts";
import { useFormats } from "../../i18n/index.ts";
import { useLatest } from "../../rpc/stream.ts";
import { jobs } from "../../rpc/streams.ts";
import { Progress } from "../../ui/Progress.tsx";
import { Tooltip } from "../../ui/Tooltip.tsx";
import { hasEnded, isActive, shareOf } from "./job-facts.ts";
import styles from "./QueueIndicator.module.css";

/** How much is in the queue and how far it is, in every screen's top bar; nothing when the queue is empty. */
export function QueueIndicator() {
  const { t } = useTranslation();
  const formats = useFormats();
  const route = useRoute();
  const list = useLatest(jobs) ?? [];
  const open = list.filter((job) => !hasEnded(job.state));
  const active = open.find((job) => isActive(job.state));
  if (open.length === 0 || route.page === "queue") return null;
  const share = active === undefined ? null : shareOf(active.state);
  const left = active?.state.status === "running" ? active.state.secondsLeft : null;
  const words = [t("queue.indicator", { count: open.length }), share === null ? null : formats.percent(share)].filter((part) => part !== null).join(" · ");
  return (
    <Tooltip text={active === undefined ? t("queue.indicatorWaits") : left === null ? active.projectName : t("queue.indicatorLeft", { name: active.projectName, time: formats.duration(left) })}>
      <a href={hashOfRoute({ page: "queue" })} className={styles.indicator}>
        <ListVideo size={15} aria-hidden="true" />
        <span>{words}</span>
        {share !== null && <Progress className={styles.progress} label={t("queue.progress")} share={share} />}
      </a>
    </Tooltip>
  );
}
