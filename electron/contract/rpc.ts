import { eventIterator, oc } from "@orpc/contract";
import { z } from "zod";
import { idSchema, projectDocumentSchema, qualitySchema } from "./document/project-document.schema.ts";
import { faultSchema, findingSchema } from "./fault.schema.ts";
import { exportRequestSchema, jobSchema, loadSampleSchema, renderScopeSchema } from "./jobs.schema.ts";
import { estimateSchema, machineReportSchema, modelSchema, setupCheckSchema, workerStateSchema } from "./machine.schema.ts";
import { importHowSchema, modelAbilitySchema, modelMendingSchema, modelRemovalSchema, modelSourceSchema, modelStoreSchema } from "./models.schema.ts";
import { takeOutputSchema } from "./outputs.schema.ts";
import { runtimeReportSchema } from "./runtime.schema.ts";
import { settingsSchema } from "./settings.schema.ts";
import { releaseSchema } from "./updates.schema.ts";

/** Every refusal of the server is this one typed error; its data is what the user reads. */
const base = oc.errors({ FAULT: { data: faultSchema } });
const projectId = z.object({ projectId: idSchema });
const modelId = z.object({ modelId: z.string() });
const jobId = z.object({ jobId: idSchema });

/** Where a file comes from: uploaded over HTTP (`PUT /upload?name=`), or chosen in a native dialog or dropped on the window (the shell registers the path). */
export const fileSourceSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("upload"), uploadId: z.string().max(100) }),
  z.object({ kind: z.literal("handle"), handle: z.string().max(100) }),
  /** A file of a shipped example, as listed by `projects.examples`. */
  z.object({ kind: z.literal("example"), example: z.string().max(100), file: z.enum(["portrait", "voice"]) }),
]);
export type FileSource = z.infer<typeof fileSourceSchema>;

/** Where a file goes: a path chosen in a native dialog, or a download link (web mode). */
export const fileTargetSchema = z.discriminatedUnion("kind", [z.object({ kind: z.literal("handle"), handle: z.string().max(100) }), z.object({ kind: z.literal("download") })]);
export type FileTarget = z.infer<typeof fileTargetSchema>;

export const projectSummarySchema = z.object({
  id: idSchema,
  name: z.string(),
  folder: z.string(),
  changedAt: z.number(),
  frames: z.number(),
  /** Address of a picture for the list, or null. */
  thumbnail: z.string().nullable(),
  state: z.enum(["ok", "missing", "damaged", "newer"]),
});
export type ProjectSummary = z.infer<typeof projectSummarySchema>;

export const openedProjectSchema = z.object({
  document: projectDocumentSchema,
  /** Rises by one with each saved change. */
  revision: z.int(),
  folder: z.string(),
  outputs: z.array(takeOutputSchema),
  /** Ids of media whose file is not there. */
  missingMedia: z.array(idSchema),
  /** What the user should know after opening: recovered from a backup, read-only folder, migrated from an older version. */
  notices: z.array(faultSchema),
  readOnly: z.boolean(),
});
export type OpenedProject = z.infer<typeof openedProjectSchema>;

export const projectEventSchema = z.discriminatedUnion("kind", [
  /** Another window saved. `windowId` is the one that did it. */
  z.object({ kind: z.literal("saved"), revision: z.int(), windowId: z.string(), document: projectDocumentSchema }),
  z.object({ kind: z.literal("written"), revision: z.int() }),
  z.object({ kind: z.literal("write-failed"), fault: faultSchema }),
  /** Clips of one take came or went. */
  z.object({ kind: z.literal("output"), output: takeOutputSchema }),
  z.object({ kind: z.literal("missing-media"), mediaIds: z.array(idSchema) }),
]);
export type ProjectEvent = z.infer<typeof projectEventSchema>;

export const materialCheckSchema = z.object({
  findings: z.array(findingSchema),
  /** Portraits: what the model will see, in pixels of the upright picture. */
  crop: z.object({ x: z.number(), y: z.number(), width: z.number(), height: z.number() }).nullable(),
  faces: z.array(z.object({ x: z.number(), y: z.number(), width: z.number(), height: z.number(), score: z.number().nullable() })),
  videoSize: z.object({ width: z.int(), height: z.int() }).nullable(),
});
export type MaterialCheck = z.infer<typeof materialCheckSchema>;

const rendersSchema = z.object({ bytes: z.number(), unusedBytes: z.number(), unusedTakes: z.int().min(0) });

export const contract = {
  system: {
    info: base.output(z.object({ version: z.string(), mode: z.enum(["desktop", "web"]), platform: z.string(), dataFolder: z.string(), demoModelOnly: z.boolean(), locale: z.string(), canReveal: z.boolean() })),
    /** The newer version that the user's address tells of; null: none, not asked, or no answer. */
    update: base.output(releaseSchema.nullable()),
    /** The engine worker, as it changes. First event at once. */
    worker: base.output(eventIterator(workerStateSchema)),
    restartWorker: base.output(z.object({})),
    setupChecks: base.output(eventIterator(z.array(setupCheckSchema))),
    fix: base.input(z.object({ checkId: z.string() })).output(z.object({})),
  },
  /** The Python that the engine runs in: installed from an archive, without a network. */
  runtime: {
    watch: base.output(eventIterator(runtimeReportSchema)),
    /** Looks for archives beside the program, among downloads and on removable drives. */
    search: base.output(z.object({})),
    /** Judges a picked `.json` of an archive and puts it on the list. */
    add: base.input(z.object({ handle: z.string() })).output(z.object({ archiveId: z.string() })),
    /** Answers when it has begun; `watch` tells how it goes. */
    install: base.input(z.object({ archiveId: z.string().max(100) })).output(z.object({})),
    /** Fetches an archive by the address of its `.json`, and installs it. Refused unless the network is switched on. */
    installFrom: base.input(z.object({ address: z.string().max(2_000) })).output(z.object({})),
    cancel: base.output(z.object({})),
    /** Back to the runtime before this one. */
    goBack: base.output(z.object({})),
    /** Compares every file with the runtime's own list. */
    verify: base.output(z.object({})),
  },
  hardware: {
    /** While anybody listens, measured anew every two seconds. First event at once with what is known. */
    watch: base.output(eventIterator(machineReportSchema)),
    loadHistory: base.output(z.array(loadSampleSchema)),
  },
  settings: {
    get: base.output(settingsSchema),
    change: base.input(settingsSchema.partial()).output(settingsSchema),
    watch: base.output(eventIterator(settingsSchema)),
  },
  projects: {
    list: base.output(z.array(projectSummarySchema)),
    examples: base.output(z.array(z.object({ id: z.string(), name: z.string(), prompt: z.string(), seconds: z.number(), thumbnail: z.string(), portraitUrl: z.string(), voiceUrl: z.string() }))),
    /** A new project; with an example, filled with its portrait, voice and prompt. Names are in the user's language: the page gives them. */
    create: base.input(z.object({ name: z.string().max(200).nullable(), trackName: z.string().max(200).optional(), example: z.string().nullable() })).output(z.object({ projectId: idSchema })),
    /** Opens a project of the list, or a `project.avatar` chosen in a dialog. */
    open: base.input(z.discriminatedUnion("kind", [z.object({ kind: z.literal("id"), projectId: idSchema }), z.object({ kind: z.literal("handle"), handle: z.string() })])).output(openedProjectSchema),
    /**
     * The whole document after one edit. Refused with PROJECT_CHANGED_ELSEWHERE when `baseRevision` is not the newest:
     * two windows cannot overwrite each other without a word.
     */
    save: base.input(z.object({ projectId: idSchema, baseRevision: z.int(), windowId: z.string().max(64), document: projectDocumentSchema })).output(z.object({ revision: z.int() })),
    /** Resolves when everything is on disk. */
    flush: base.input(projectId).output(z.object({ revision: z.int() })),
    watch: base.input(projectId).output(eventIterator(projectEventSchema)),
    rename: base.input(z.object({ projectId: idSchema, name: z.string().min(1).max(200) })).output(z.object({})),
    duplicate: base.input(projectId).output(z.object({ projectId: idSchema })),
    /** Moves the folder to the system's wastebasket or, where there is none, to the studio's own. */
    remove: base.input(projectId).output(z.object({})),
    /** Undoes `remove`; possible for 30 days. */
    restore: base.input(projectId).output(z.object({})),
    /** A copy with its media, without rendered clips, as a folder or (web) a download. */
    collect: base.input(z.object({ projectId: idSchema, target: fileTargetSchema })).output(z.object({ url: z.string().nullable() })),
    reveal: base.input(projectId).output(z.object({})),
    /** Disk that the project's clips take, and how much of it is takes that neither the timeline nor an unfinished job needs. */
    renders: base.input(projectId).output(rendersSchema),
    /** Deletes those takes; undoing back to one renders it anew. Answers what is left. */
    removeUnusedRenders: base.input(projectId).output(rendersSchema.extend({ removedBytes: z.number() })),
  },
  media: {
    /** Copies a file into the project and describes it. The caller adds it to the document. */
    import: base.input(z.object({ projectId: idSchema, source: fileSourceSchema })).output(z.object({ media: projectDocumentSchema.shape.media.element })),
    /** Puts a found file back in the place of a missing one; refused with MEDIA_DIFFERENT unless it is the same or `force`. */
    locate: base.input(z.object({ projectId: idSchema, mediaId: idSchema, source: fileSourceSchema, force: z.boolean() })).output(z.object({ media: projectDocumentSchema.shape.media.element })),
    check: base.input(z.object({ projectId: idSchema, mediaId: idSchema, quality: qualitySchema })).output(materialCheckSchema),
    checkPrompt: base.input(z.object({ text: z.string().max(20_000) })).output(z.array(findingSchema)),
  },
  render: {
    estimate: base.input(z.object({ projectId: idSchema, quality: qualitySchema, scope: renderScopeSchema })).output(estimateSchema),
    /** What each preset would take on this machine, for the length of this project (or one minute without sound). */
    presets: base.input(z.object({ projectId: idSchema.nullable() })).output(z.array(z.object({ preset: z.string(), estimate: estimateSchema }))),
  },
  jobs: {
    watch: base.output(eventIterator(z.array(jobSchema))),
    render: base.input(z.object({ projectId: idSchema, quality: qualitySchema, scope: renderScopeSchema })).output(z.object({ jobId: idSchema })),
    export: base.input(z.object({ projectId: idSchema, quality: qualitySchema, request: exportRequestSchema, target: fileTargetSchema })).output(z.object({ jobId: idSchema })),
    pause: base.input(jobId).output(z.object({})),
    resume: base.input(jobId).output(z.object({})),
    cancel: base.input(jobId).output(z.object({})),
    retry: base.input(jobId).output(z.object({})),
    /** Off the list; files stay. Only jobs that have ended. */
    forget: base.input(jobId).output(z.object({})),
    /** To this place among those that wait. */
    move: base.input(z.object({ jobId: idSchema, position: z.int().min(0) })).output(z.object({})),
    /** The document that the job works on, fixed when it first begins; null before. What it makes of a clip that was edited since is old when it is done. */
    document: base.input(jobId).output(z.object({ document: projectDocumentSchema.nullable() })),
    log: base.input(jobId).output(z.object({ text: z.string() })),
    reveal: base.input(jobId).output(z.object({})),
    /** Address of a finished export, to play or download, and of the captions beside it, if there are any. */
    resultUrl: base.input(jobId).output(z.object({ url: z.string(), captionsUrl: z.string().nullable() })),
  },
  models: {
    list: base.output(z.array(modelSchema)),
    watch: base.output(eventIterator(z.array(modelSchema))),
    verify: base.input(modelId).output(z.object({})),
    addFolder: base.input(z.object({ handle: z.string() })).output(z.object({})),
    removeFolder: base.input(modelId).output(z.object({})),
    rename: base.input(z.object({ modelId: z.string(), name: z.string().trim().min(1).max(200) })).output(z.object({})),
    store: base.output(modelStoreSchema),
    /** Changes where models will be kept; those that are there stay. */
    chooseStore: base.input(z.object({ handle: z.string() })).output(modelStoreSchema),
    /** Looks at a folder before it is imported. */
    source: base.input(z.object({ handle: z.string() })).output(modelSourceSchema),
    import: base.input(z.object({ handle: z.string(), how: importHowSchema })).output(z.object({})),
    /** The one thing here that uses the network; refused with NETWORK_OFF under `--offline`. */
    download: base.output(z.object({})),
    /** Reads all files again and brings those anew that are damaged or missing. */
    mending: base.input(modelId).output(modelMendingSchema),
    /** `ownFolder`: the user permits to write into a folder of their own; refused with MODEL_FOLDER_OWN without. */
    mend: base.input(z.object({ modelId: z.string(), ownFolder: z.boolean() })).output(z.object({})),
    pause: base.input(modelId).output(z.object({})),
    resume: base.input(modelId).output(z.object({})),
    /** Gives up a repair: the model is taken as its files are. */
    leave: base.input(modelId).output(z.object({})),
    /** What deleting its files would free. */
    removal: base.input(modelId).output(modelRemovalSchema),
    /** Deletes the files that the studio brought; also of an unfinished download or import. */
    remove: base.input(modelId).output(modelRemovalSchema),
    /** What this model can do here, for a few sizes. */
    abilities: base.input(modelId).output(z.array(modelAbilitySchema)),
  },
  diagnostics: {
    /** A text to send to somebody who helps. Without paths and prompts unless asked for. */
    report: base.input(z.object({ withPaths: z.boolean(), withPrompts: z.boolean() })).output(z.object({ text: z.string() })),
    /** Looks at the machine, the worker and the last jobs, and names what it finds (mission section 4). */
    troubles: base.output(z.array(z.object({ fault: faultSchema, action: z.enum(["retry-lower", "test-link", "restart-worker", "check-inputs", "check-models", "free-disk", "other-port"]).nullable(), jobId: idSchema.nullable() }))),
    /** Runs the action of a trouble. */
    help: base.input(z.object({ action: z.string(), jobId: idSchema.nullable() })).output(z.object({ text: z.string() })),
  },
};
export type Contract = typeof contract;
