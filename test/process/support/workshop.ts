import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { repositoryRoot } from "../../../build/setup/paths.mjs";
import type { AudioFile, ImageFile, ProjectDocument } from "../../../electron/contract/document/project-document.schema.ts";
import type { Fault } from "../../../electron/contract/fault.schema.ts";
import type { Job, JobState } from "../../../electron/contract/jobs.schema.ts";
import type { TakeOutput } from "../../../electron/contract/outputs.schema.ts";
import { FaultError } from "../../../electron/server/common/fault-error.ts";
import { openDataFolder } from "../../../electron/server/common/data-folder.ts";
import { silentLogger } from "../../../electron/server/common/logger.ts";
import { createFfmpeg } from "../../../electron/server/media/ffmpeg.ts";
import { createSoundStore } from "../../../electron/server/media/sound-store.ts";
import { createWork, type Work, type WorkDependencies } from "../../../electron/server/work.ts";

const examples = join(repositoryRoot, "resources", "examples");
const demo = join(repositoryRoot, "resources", "models", "demo");

/** Renders of tests share two cores with other tests. */
process.env.OMP_NUM_THREADS = "1";

type Choices = ReturnType<WorkDependencies["choices"]>;

/** Everything that makes videos, with a project in memory and no server around it. */
export interface Workshop {
  readonly work: Work;
  readonly folder: string;
  readonly projectFolder: string;
  /** The document as an editor holds it; assign to edit. */
  document: ProjectDocument;
  choices: Choices;
  readonly published: TakeOutput[];
  /** Waits for a state of a job; fails when it ends in another one. */
  readonly until: <Status extends JobState["status"]>(jobId: string, status: Status, also?: (state: JobState) => boolean) => Promise<Extract<JobState, { status: Status }>>;
  readonly close: () => Promise<void>;
}

export interface WorkshopOptions {
  /** Frames of sound on the timeline. */
  readonly frames?: number;
  readonly dataFolder?: string;
  readonly document?: ProjectDocument;
}

export async function openWorkshop(options: WorkshopOptions = {}): Promise<Workshop> {
  const folder = options.dataFolder ?? mkdtempSync(join(tmpdir(), "avatar-studio-workshop-"));
  const [data, unlock] = await openDataFolder(join(folder, "data"));
  const projectFolder = join(folder, "project");
  mkdirSync(join(projectFolder, "media"), { recursive: true });
  const ffmpeg = createFfmpeg({ locate: () => Promise.resolve(process.env.AVATAR_STUDIO_FFMPEG ?? "/usr/bin/ffmpeg"), logger: silentLogger });
  const sounds = createSoundStore({ ffmpeg, folder: join(data.cache, "sounds"), maximumBytes: 1e9, logger: silentLogger });
  const published: TakeOutput[] = [];
  const state: { document: ProjectDocument; choices: Choices } = { choices: { gpus: null, shareCards: false, networkAllowed: false, precision: "auto" }, document: options.document ?? exampleDocument(projectFolder, options.frames ?? 96) };
  const [work, stopWork] = await createWork({
    data,
    runtimePlaces: { override: null, installation: repositoryRoot, installed: "/nowhere" },
    choices: () => state.choices,
    findModel: (id) => {
      if (id !== "demo") return Promise.reject(new FaultError({ code: "MODEL_MISSING", what: "There is no such model.", why: id, hint: "Choose another." }));
      return Promise.resolve({ folder: demo, lora: join(demo, "liveavatar.safetensors") });
    },
    openProject: () => Promise.resolve({ name: "Test", folder: projectFolder, document: state.document, revision: 1 }),
    publishOutput: (_, output) => void published.push(output),
    media: { ffmpeg, sounds },
    examplePortrait: join(examples, "anna", "portrait.png"),
    watchMachine: async function* () {
      // Nobody looks at the machine here.
    },
    logger: () => silentLogger,
  });

  const jobOf = (jobs: readonly Job[], jobId: string): Job | undefined => jobs.find((job) => job.id === jobId);

  return {
    work,
    folder,
    projectFolder,
    get document() {
      return state.document;
    },
    set document(next) {
      state.document = next;
    },
    get choices() {
      return state.choices;
    },
    set choices(next) {
      state.choices = next;
    },
    published,
    until: async (jobId, status, also = () => true) => {
      for await (const jobs of work.jobs.watch()) {
        const now = jobOf(jobs, jobId)?.state;
        if (now === undefined) throw new Error("The job is gone.");
        if (now.status === status && also(now)) return now as Extract<JobState, { status: typeof status }>;
        if (now.status === "failed") throw new Error(`The job failed: ${JSON.stringify((now as { fault: Fault }).fault)}`);
        if (now.status === "finished" || now.status === "cancelled") throw new Error(`The job is ${now.status}, not ${status}.`);
      }
      throw new Error("The workshop was closed.");
    },
    close: async () => {
      await stopWork();
      await sounds.close();
      await unlock();
      if (options.dataFolder === undefined) rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** One portrait, one voice, one prompt; small and quick: 64 x 64 pixels, two steps, clips of 24 frames. */
export function exampleDocument(projectFolder: string, frames: number): ProjectDocument {
  const portrait = importFile(projectFolder, "anna", "portrait.png");
  const voice = importFile(projectFolder, "anna", "voice.wav");
  const image: ImageFile = { kind: "image", id: "portrait", ...portrait, width: 1152, height: 768 };
  const audio: AudioFile = { kind: "audio", id: "voice", ...voice, samples: 127_750, sampleRate: 22_050, channels: 1 };
  const quality = { width: 64, height: 64, sampleSteps: 2 };
  return {
    format: "avatar-studio-project",
    version: 1,
    id: "project",
    name: "Test",
    media: [image, audio],
    portraits: [{ id: "take", start: 0, duration: frames, mediaId: "portrait" }],
    prompts: [{ id: "prompt", start: 0, duration: frames, text: "A woman smiles and speaks to the camera." }],
    audioTracks: [{ id: "track", name: "Voice 1", muted: false, gainDecibels: 0, segments: [{ id: "speech", start: 0, duration: frames, mediaId: "voice", sourceStart: 0, gainDecibels: 0, fadeIn: 0, fadeOut: 0 }] }],
    markers: [],
    range: null,
    settings: { modelId: "demo", baseSeed: 7, inferFrames: 24, preview: quality, final: quality },
  };
}

function importFile(projectFolder: string, example: string, name: string): { path: string; name: string; bytes: number; sha256: string } {
  const source = join(examples, example, name);
  copyFileSync(source, join(projectFolder, "media", name));
  return { path: `media/${name}`, name, bytes: statSync(source).size, sha256: createHash("sha256").update(readFileSync(source)).digest("hex") };
}
