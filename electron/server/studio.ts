import { homedir, userInfo } from "node:os";
import { join } from "node:path";
import { type MachineReport } from "../contract/machine.schema.ts";
import { type Checks, createChecks } from "./checks/checks.ts";
import { type DataFolder } from "./common/data-folder.ts";
import { type Logger } from "./common/logger.ts";
import { createDiagnostics, type Diagnostics, type DiagnosticsPorts } from "./diagnostics/diagnostics.ts";
import { diagnosticsPorts } from "./diagnostics-ports.ts";
import { createHardware, type Hardware } from "./hardware/hardware.ts";
import { createDownloads, type Downloads } from "./http/downloads.ts";
import { createUploads, DEFAULT_UPLOAD_LIMITS, type Uploads } from "./http/uploads.ts";
import { findFfmpeg } from "./media/find-ffmpeg.ts";
import { createMedia, type Media } from "./media/media.ts";
import { inspectModel } from "./models/inspect-model.ts";
import { createModelStore, type ModelStore } from "./models/model-store.ts";
import { createModels, type Models } from "./models/models.ts";
import { createTransfers } from "./models/transfers.ts";
import { createExamples, type Examples } from "./projects/examples.ts";
import { createProjects, type Projects } from "./projects/projects.ts";
import { archiveFolders } from "./runtime/archive/find-archives.ts";
import { findRuntime } from "./runtime/find-runtime.ts";
import { createRuntimeManager, type RuntimeManager } from "./runtime/runtime-manager.ts";
import { openSettings, type SettingsStore } from "./settings/settings-store.ts";
import { createPathHandles, type PathHandles } from "./system/path-handles.ts";
import { createUpdateCheck, type UpdateCheck } from "./updates/update-check.ts";
import { createWork, type Work } from "./work.ts";

/** All capabilities, joined. */
export interface Studio {
  readonly facts: StudioFacts;
  readonly data: DataFolder;
  readonly settings: SettingsStore;
  readonly projects: Projects;
  readonly media: Media;
  readonly hardware: Hardware;
  readonly models: Models;
  readonly modelStore: ModelStore;
  readonly checks: Checks;
  readonly examples: Examples;
  readonly uploads: Uploads;
  readonly downloads: Downloads;
  readonly handles: PathHandles;
  readonly work: Work;
  readonly runtimes: RuntimeManager;
  readonly diagnostics: Diagnostics;
  readonly updates: UpdateCheck;
  /** Text of the licences of what is shipped. */
  readonly noticeFiles: readonly string[];
}

export interface StudioFacts {
  readonly version: string;
  readonly mode: "desktop" | "web";
  /** Whether the user sits at this machine, so that a file manager can be shown. */
  readonly atThisMachine: boolean;
  /** Started with `--offline`: nothing can be fetched. */
  readonly offline: boolean;
}

export interface StudioDependencies {
  readonly facts: StudioFacts;
  readonly data: DataFolder;
  /** Folder with `resources` and the Python runtime. */
  readonly installation: string;
  readonly logger: (area: string) => Logger;
  /** The end of this run's log. */
  readonly logTail: () => Promise<string>;
  /** Set when another port had to be taken than the one asked for. */
  readonly port: DiagnosticsPorts["port"];
}

/** Builds everything; the returned function ends everything, in the opposite order. */
export async function createStudio(dependencies: StudioDependencies): Promise<readonly [Studio, () => Promise<void>]> {
  const { facts, data, installation, logger } = dependencies;
  const runtimePlaces = { override: process.env.AVATAR_STUDIO_RUNTIME ?? null, installation, installed: join(data.path, "runtimes") };
  const [settings, closeSettings] = await openSettings(join(data.path, "settings.json"), logger("settings"));
  const [uploads, closeUploads] = createUploads({ folder: data.uploads, limits: DEFAULT_UPLOAD_LIMITS, logger: logger("uploads") });
  const python = async (): Promise<string> => (await findRuntime(runtimePlaces)).python;
  const [media, closeMedia] = createMedia({ locateFfmpeg: () => findFfmpeg(process.env, python), cacheFolder: data.cache, logger: logger("media") });
  const [hardware, closeHardware] = createHardware({ dataFolder: data.path, torch: () => torchOf(work), ranks: () => [...work.engine.ranks()], logger: logger("hardware") });
  const storeFolder = (): string => settings.get().modelStore ?? join(data.path, "checkpoints");
  const storeProgram = { python, cacheFolder: join(data.cache, "hub") };
  const [transfers, closeTransfers] = await createTransfers({
    path: join(data.path, "model-transfers.json"),
    program: storeProgram,
    downloads: () => settings.get().downloads,
    offline: facts.offline,
    onChange: () => models.transfersChanged(),
    onDone: (folder) => void models.filesChanged(folder),
    logger: logger("models"),
  });
  const [models, closeModels] = createModels({
    storeFolder,
    transfers,
    names: () => settings.get().modelNames,
    demoFolder: join(installation, "resources", "models", "demo"),
    folders: () => settings.get().modelFolders,
    changeFolders: (modelFolders) => settings.change({ modelFolders: [...modelFolders] }),
    python,
    dataFolder: data.path,
    logger: logger("models"),
  });
  const modelStore = createModelStore({ models, transfers, program: storeProgram, settings, storeFolder, offline: facts.offline, environment: process.env, inspect: (folder) => inspectModel(python, folder) });
  const checks = createChecks({ checker: () => work.engine.client() });
  const examples = createExamples({ folder: join(installation, "resources", "examples"), probe: media.probe, logger: logger("projects") });
  const [projects, closeProjects] = await createProjects({
    folder: data.projects,
    registryPath: join(data.path, "projects.json"),
    wastebasketFolder: data.wastebasket,
    examples,
    probe: media.probe,
    isBusy: (projectId) => work.jobs.list().some((job) => job.projectId === projectId && ["queued", "running", "stopping"].includes(job.state.status)),
    logger: logger("projects"),
  });
  const [work, closeWork] = await createWork({
    data,
    runtimePlaces,
    choices: () => {
      const { gpus, shareCards, networkAllowed, weightPrecision } = settings.get();
      return { gpus, shareCards, networkAllowed: networkAllowed && !facts.offline, precision: weightPrecision };
    },
    findModel: models.find,
    openProject: projects.readyState,
    publishOutput: (projectId, output) => projects.publish(projectId, { kind: "output", output }),
    media,
    examplePortrait: join(installation, "resources", "examples", "anna", "portrait.png"),
    watchMachine: hardware.watch,
    logger,
  });

  const [runtimes, closeRuntimes] = await createRuntimeManager({
    folder: runtimePlaces.installed,
    places: runtimePlaces,
    archiveFolders: () => archiveFolders({ platform: process.platform, executable: process.execPath, installation, home: homedir(), user: userInfo().username, environment: process.env }),
    engineVersion: facts.version,
    gpus: async () => {
      const { gpus } = await hardware.measure();
      return { driver: gpus[0]?.driver ?? null, capabilities: gpus.map((gpu) => gpu.computeCapability) };
    },
    networkAllowed: () => settings.get().networkAllowed && !facts.offline,
    onChanged: work.runtimeChanged,
    logger: logger("runtime"),
  });

  const stopFollowing = followChoices(settings, work);
  const [diagnostics, closeDiagnostics] = createDiagnostics(
    diagnosticsPorts({ facts, settings, projects, media, hardware, models, checks, work, dataFolder: data.path, runtimePlaces, runtimes, logger: logger("diagnostics"), logTail: dependencies.logTail, port: dependencies.port }),
  );
  const updates = createUpdateCheck({ version: facts.version, address: () => settings.get().updateAddress, networkAllowed: () => settings.get().networkAllowed && !facts.offline, logger: logger("updates") });
  // Of an installed program; of a checkout in which `npm run licences` has run.
  const noticeFiles = [join(installation, "licences"), join(installation, "dist", "licences")].map((folder) => join(folder, "THIRD-PARTY-NOTICES.txt"));
  const studio: Studio = { facts, data, settings, projects, media, hardware, models, modelStore, checks, examples, uploads, downloads: createDownloads(), handles: createPathHandles(), work, runtimes, diagnostics, updates, noticeFiles };
  const close = async (): Promise<void> => {
    await closeUploads();
    stopFollowing();
    closeDiagnostics();
    closeHardware();
    await closeRuntimes();
    await closeWork();
    await closeTransfers();
    await closeModels();
    await closeMedia();
    await closeProjects();
    await closeSettings();
  };
  return [studio, close] as const;
}

/** What the worker's torch sees. */
function torchOf(work: Work): MachineReport["torch"] {
  const torch = work.engine.hello.get()?.torch;
  return torch === undefined ? null : { version: torch.version, cudaVersion: torch.cuda_version, devices: torch.devices.map(({ uuid, name }) => ({ uuid, name })) };
}

/** A worker has its cards and its leave to use the network from its start: other choices need another worker. */
function followChoices(settings: SettingsStore, work: Work): () => void {
  const stop = new AbortController();
  void (async () => {
    let last: string | null = null;
    for await (const { gpus, networkAllowed } of settings.watch(stop.signal)) {
      const now = JSON.stringify([gpus, networkAllowed]);
      if (last !== null && now !== last) work.choicesChanged();
      last = now;
    }
  })();
  return () => stop.abort();
}
