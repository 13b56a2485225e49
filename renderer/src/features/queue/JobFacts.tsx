import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { assertNever } from "../../../../electron/contract/assert-never.ts";
import type { Job } from "../../../../electron/contract/jobs.schema.ts";
import { useFormats } from "../../i18n/index.ts";
import { useSaid } from "../../i18n/server-texts.ts";
import { JobWarnings } from "./JobWarnings.tsx";
import styles from "./Queue.module.css";

/** Silence of the engine that is worth a word. */
const SILENT_SECONDS = 20;

/** State and figures of a job, in words. */
export function JobFacts({ job }: { readonly job: Job }) {
  const facts = useFacts(job).filter((fact) => fact !== null);
  return (
    <>
      <p className={styles.facts}>
        {facts.map((fact, index) => (
          <span key={index}>{fact}</span>
        ))}
      </p>
      <JobWarnings warnings={job.warnings} />
    </>
  );
}

function useFacts(job: Job): readonly ReactNode[] {
  const { t } = useTranslation();
  const formats = useFormats();
  const sayIt = useSaid();
  const { state } = job;
  const clips = state.clipsTotal === 0 ? null : t("queue.clips", { done: formats.number(state.clipsDone), total: formats.number(state.clipsTotal) });
  const reused = state.clipsReused > 0 ? t("queue.reused", { count: state.clipsReused }) : null;
  /** A figure with what the plan had said beside it. */
  const beside = (real: string | null, expected: number | null, say: (value: number) => string) => (real === null || expected === null ? real : t("queue.besideExpected", { real, expected: say(expected) }));
  const speed = (value: number | null) => (value === null ? null : t("queue.speed", { value: formats.number(value, 1) }));
  switch (state.status) {
    case "queued":
      return [t(state.resumes ? "queue.status.resumes" : "queue.status.queued"), clips];
    case "running":
      return [
        state.silentSeconds >= SILENT_SECONDS ? t("queue.silent", { doing: sayIt(state.said, state.doing), time: formats.duration(state.silentSeconds) }) : sayIt(state.said, state.doing),
        clips,
        reused,
        speed(state.framesPerSecond),
        state.secondsLeft === null ? null : t("queue.left", { time: formats.duration(state.secondsLeft) }),
        state.memoryBytes === null ? null : t("queue.memory", { memory: formats.bytes(state.memoryBytes) }),
      ];
    case "stopping":
      return [t(`queue.status.stopping.${state.then}`), clips];
    case "paused":
      return [t("queue.status.paused"), clips];
    case "cancelled":
      return [t("queue.status.cancelled"), clips];
    case "failed":
      return [state.clip === null ? t("queue.status.failed") : t("queue.status.failedAt", { clip: formats.number(state.clip + 1) }), clips];
    case "finished": {
      const { expected = null, peakMemoryBytes = null } = state;
      return [
        t("queue.status.finished", { time: formats.duration(state.seconds) }),
        clips,
        reused,
        beside(speed(state.framesPerSecond), expected?.framesPerSecond ?? null, (frames) => formats.number(frames, 1)),
        beside(peakMemoryBytes === null ? null : t("queue.memory", { memory: formats.bytes(peakMemoryBytes) }), expected?.memoryBytes ?? null, formats.bytes),
        t("queue.onDisk", { bytes: formats.bytes(state.bytes) }),
      ];
    }
    default:
      return assertNever(state);
  }
}
