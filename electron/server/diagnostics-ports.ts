import { type Finding } from "../contract/fault.schema.ts";
import { type Quality } from "../contract/document/project-document.schema.ts";
import { usedMedia } from "../contract/document/edit/media.ts";
import { type Checks } from "./checks/checks.ts";
import { type Logger } from "./common/logger.ts";
import { type DiagnosticsPorts } from "./diagnostics/diagnostics.ts";
import { type Hardware } from "./hardware/hardware.ts";
import { type Media } from "./media/media.ts";
import { type Models } from "./models/models.ts";
import { type Projects } from "./projects/projects.ts";
import { findRuntime, type RuntimePlaces } from "./runtime/find-runtime.ts";
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
  readonly logger: Logger;
  readonly logTail: () => Promise<string>;
  readonly port: DiagnosticsPorts["port"];
}

/** Diagnostics look at everything; here is how. */
export function diagnosticsPorts(parts: Parts): DiagnosticsPorts {
  const { facts, settings, projects, media, hardware, models, checks, work, dataFolder, runtimePlaces, logger, logTail, port } = parts;

  async function checkProject(projectId: string, quality: Quality): Promise<readonly Finding[]> {
    const { document } = await projects.state(projectId);
    const used = usedMedia(document);
    const files = document.media.filter((one) => used.has(one.id));
    const ofFiles = files.map(async (file) => (await checks.file({ kind: file.kind, path: await projects.mediaPath(projectId, file.id), sha256: file.sha256 }, document.settings[quality])).findings);
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
      return `Engine ${engine}, Python ${python}.`;
    },
    ffmpeg: async () => (await media.ffmpeg.about()).version,
    clearCaches: media.sounds.clear,
    port,
    logTail,
    logger,
  };
}
