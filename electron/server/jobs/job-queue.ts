import type { Job, JobState } from "../../contract/jobs.schema.ts";
import type { Said } from "../../contract/said.schema.ts";
import type { JobRecord } from "./job-record.ts";
import type { JobStore } from "./job-store.ts";
import { type Lane, laneOf, recovered, reordered } from "./job-states.ts";

export interface JobChange {
  readonly state: JobState;
  readonly activeSeconds?: number;
  /** Of the document that it works on. */
  readonly revision?: number | null;
  readonly warnings?: readonly Said[];
}

/** All jobs in memory, in order, each change written down. */
export interface JobQueue {
  readonly records: () => readonly JobRecord[];
  readonly find: (jobId: string) => JobRecord | null;
  readonly add: (record: Omit<JobRecord, "order" | "version" | "activeSeconds">) => Promise<void>;
  /** Change a job now; it is on disk after {@link JobQueue.settled}. */
  readonly change: (jobId: string, change: JobChange, durable?: "now" | "later") => void;
  readonly remove: (jobId: string) => Promise<void>;
  /** False when the job does not wait. */
  readonly move: (jobId: string, position: number) => boolean;
  readonly nextOf: (lane: Lane) => JobRecord | null;
  /** Resolves when everything changed so far is on disk. */
  readonly settled: () => Promise<void>;
}

export interface QueueDependencies {
  readonly store: JobStore;
  readonly onChange: (jobs: readonly Job[]) => void;
  /** A record could not be written; the queue goes on in memory. */
  readonly onWriteError: (error: unknown) => void;
  readonly now: () => number;
}

/** Read the jobs of earlier runs; those that ran when the server ended are queued again. */
export async function openJobQueue({ store, onChange, onWriteError, now }: QueueDependencies): Promise<JobQueue> {
  let records: readonly JobRecord[] = [];
  /** Ids whose newest record is not on disk yet. */
  const unwritten = new Set<string>();
  let writing: Promise<void> | null = null;

  async function drain(): Promise<void> {
    for (;;) {
      const [jobId] = unwritten;
      if (jobId === undefined) return;
      unwritten.delete(jobId);
      const record = find(jobId);
      if (record !== null) await store.write(record).catch(onWriteError);
    }
  }

  const settled = async (): Promise<void> => {
    while (writing !== null || unwritten.size > 0) {
      writing ??= drain().finally(() => (writing = null));
      await writing;
    }
  };

  function put(record: JobRecord, durable: "now" | "later"): void {
    records = records.map((other) => (other.job.id === record.job.id ? record : other));
    if (durable === "now") {
      unwritten.add(record.job.id);
      void settled();
    }
  }

  const find = (jobId: string): JobRecord | null => records.find((record) => record.job.id === jobId) ?? null;
  const tell = (): void => onChange(records.map((record) => record.job));
  const waiting = (): readonly JobRecord[] => records.filter(({ job }) => job.state.status === "queued");

  records = (await store.readAll()).map((record) => ({ ...record, job: { ...record.job, state: recovered(record.job.state, now()) } }));
  tell();

  return {
    records: () => records,
    find,
    add: async (record) => {
      const order = (records.at(-1)?.order ?? 0) + 1;
      const whole: JobRecord = { version: 1, activeSeconds: 0, order, ...record };
      await store.write(whole);
      records = [...records, whole];
      tell();
    },
    change: (jobId, { state, activeSeconds, revision, warnings }, durable = "now") => {
      const record = find(jobId);
      if (record === null) return;
      const { job } = record;
      put({ ...record, activeSeconds: activeSeconds ?? record.activeSeconds, job: { ...job, revision: revision === undefined ? job.revision : revision, warnings: [...(warnings ?? job.warnings)], state } }, durable);
      tell();
    },
    remove: async (jobId) => {
      records = records.filter((record) => record.job.id !== jobId);
      tell();
      await settled();
      await store.remove(jobId);
    },
    move: (jobId, position) => {
      const orders = reordered(
        waiting().map(({ job, order }) => ({ id: job.id, order })),
        jobId,
        position,
      );
      if (orders === null) return false;
      for (const record of records) {
        const order = orders.get(record.job.id);
        if (order !== undefined && order !== record.order) put({ ...record, order }, "now");
      }
      records = records.toSorted((a, b) => a.order - b.order);
      tell();
      return true;
    },
    nextOf: (lane) => waiting().find(({ job }) => laneOf(job) === lane) ?? null,
    settled,
  };
}
