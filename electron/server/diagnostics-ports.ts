import { type Finding } from "../contract/fault.schema.ts";
import { type Quality } from "../contract/document/project-document.schema.ts";
import { usedMedia } from "../contract/document/edit/media.ts";
import { type Checks } from "./checks/checks.ts";
import { type Logger } from "./common/logger.ts";
import { FaultError } from "./common/fault-error.ts";
import { say } from "./common/say.ts";
import { type DiagnosticsPorts } from "./diagnostics/diagnostics.ts";
import { type Hardware } from "./hardware/hardware.ts";
import { type Media } from "./media/media.ts";
import { type Models } from "./models/models.ts";
import { type Projects } from "./projects/projects.ts";
import { findRuntime, type RuntimePlaces } from "./runtime/find-runtime.ts";
import { hasSetUp, repairRuntime } from "./runtime/repair-runtime.ts";
import { type RuntimeManager } from "./runtime/runtime-manager.ts";
import { verifyRuntime } from "./runtime/verify-runtime.ts";
import { type SettingsStore } from "./settings/settings-store.ts";
import { type Work } from "./work.ts";

interface Parts {
  readonly facts: DiagnosticsPorts["studio"];
  readonly settings: SettingsStore;
  readonly projects: Projects;
  readonly media: Media;
  readonly hardware: Hardware;
  readonly models: Models;
  readonly checks: Checks;
  readonly work: Work;
  readonly dataFolder: string;
  readonly runtimePlaces: RuntimePlaces;
  readonly runtimes: RuntimeManager;
  readonly logger: Logger;
  readonly logTail: () => Promise<string>;
  readonly port: DiagnosticsPorts["port"];
}

/** Diagnostics look at everything; here is how. */
export function diagnosticsPorts(parts: Parts): DiagnosticsPorts {
  const { facts, settings, projects, media, hardware, models, checks, work, dataFolder, runtimePlaces, runtimes, logger, logTail, port } = parts;

  async function checkProject(projectId: string, quality: Quality): Promise<readonly Finding[]> {
    const { document } = await projects.state(projectId);
    const used = usedMedia(document);
    const files = document.media.flatMap((one) => (one.kind !== "captions" && used.has(one.id) ? [{ id: one.id, kind: one.kind, sha256: one.sha256 }] : []));
    const ofFiles = files.map(async ({ id, kind, sha256 }) => (await checks.file({ kind, path: await projects.mediaPath(projectId, id), sha256 }, document.settings[quality])).findings);
    const ofPrompts = [...new Set(document.prompts.map((prompt) => prompt.text))].map((text) => checks.prompt(text));
    return (await Promise.all([...ofFiles, ...ofPrompts])).flat();
  }

  async function privateValues(): Promise<Awaited<ReturnType<DiagnosticsPorts["projects"]["privateValues"]>>> {
    const [known, open] = await Promise.all([projects.list(), projects.openDocuments()]);
    return {
      folders: [dataFolder, ...known.map((project) => project.folder), ...settings.get().modelFolders],
      names: [...known.map((project) => project.name), ...open.flatMap(({ document }) => document.media.map((one) => one.name))],
      prompts: open.flatMap(({ document }) => document.prompts.map((prompt) => prompt.text)),
    };
  }

  return {
    studio: facts,
    machine: { measure: hardware.measure, watch: hardware.watch },
    worker: { state: work.workerState, watch: work.watchWorker, silentSeconds: work.workerSilentSeconds, lastWords: work.workerLastWords, restart: work.restartWorker },
    models: { list: models.list, watch: models.watch, verify: models.verify, defaultId: () => settings.get().defaultModelId },
    jobs: { list: () => work.jobs.list().toSorted((one, other) => other.createdAt - one.createdAt), render: work.jobs.render },
    projects: { state: projects.state, save: projects.save, privateValues },
    checkProject,
    verifyRuntime: async () => {
      const { python, engine } = await verifyRuntime(await findRuntime(runtimePlaces));
      return say("CHECK_RUNTIME", "Engine {engine}, Python {python}.", { engine, python });
    },
    runtimeChanges: async function* (signal) {
      let last: string | null = null;
      for await (const { current } of runtimes.watch(signal)) {
        const now = current?.folder ?? "";
        if (last !== null && now !== last) yield now;
        last = now;
      }
    },
    repairRuntime: async (onStep, signal) => {
      const rendering = work.jobs.list().some((job) => job.state.status === "running" || job.state.status === "stopping");
      if (rendering) throw new FaultError({ code: "REPAIR_BUSY", what: "The program is not repaired now.", why: "A render or an export runs, and would lose the files it works with.", hint: "Pause it in the queue, then repair." });
      // What made the runtime mends it: a checkout its set-up, an installed program its archive.
      if (runtimePlaces.override !== null || (await hasSetUp(runtimePlaces))) await repairRuntime(runtimePlaces, onStep, signal);
      else await runtimes.repair(onStep, signal);
    },
    ffmpeg: async () => (await media.ffmpeg.about()).version,
    clearCaches: media.sounds.clear,
    port,
    logTail,
    logger,
  };
}
