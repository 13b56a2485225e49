import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { Fault } from "../../contract/fault.schema.ts";
import type { RuntimeArchive, RuntimeReport } from "../../contract/runtime.schema.ts";
import type { Said } from "../../contract/said.schema.ts";
import { assertNever } from "../../contract/assert-never.ts";
import { createLatestValue } from "../common/event-hub.ts";
import { faultOf, FaultError } from "../common/fault-error.ts";
import type { Logger } from "../common/logger.ts";
import { say } from "../common/say.ts";
import { findArchives } from "./archive/find-archives.ts";
import { type Archive, openArchive } from "./archive/open-archive.ts";
import { findRuntime, type RuntimePlaces } from "./find-runtime.ts";
import { downloadArchive } from "./install/download-archive.ts";
import { installRuntime, type InstallStep } from "./install/install-runtime.ts";
import { gatherFacts, type GpuFacts } from "./install/machine-facts.ts";
import { preflight } from "./install/preflight.ts";
import { probeFault, probeRuntime } from "./install/probe.ts";
import { installedRuntimes, cutOffInstallations, removeRuntime, sweepRuntimes } from "./install/runtimes-folder.ts";
import { verifyFiles } from "./install/verify-files.ts";

/** Installs, checks and goes back; one thing at a time. */
export interface RuntimeManager {
  readonly state: () => RuntimeReport;
  readonly watch: (signal?: AbortSignal) => AsyncGenerator<RuntimeReport, void, undefined>;
  /** Look for archives anew. */
  readonly search: () => Promise<void>;
  /** A picked index is judged and joins the list. Throws ARCHIVE_UNREADABLE, ARCHIVE_NEWER. */
  readonly add: (indexPath: string) => Promise<string>;
  /** Install an archive of the list. Resolves when it has begun; {@link watch} tells how it goes. Throws RUNTIME_BUSY, ARCHIVE_UNKNOWN, or what speaks against it. */
  readonly install: (archiveId: string) => Promise<void>;
  /** Fetch an archive and install it. Throws RUNTIME_NETWORK_OFF, ADDRESS_UNUSABLE, RUNTIME_BUSY. */
  readonly installFrom: (address: string) => Promise<void>;
  /** Install what suits this machine, and resolve when it is done. Throws ARCHIVE_NOT_FOUND, or what failed. */
  readonly repair: (onStep: (step: string) => void, signal: AbortSignal) => Promise<void>;
  /** Use the runtime before this one. Throws RUNTIME_NO_PREVIOUS, RUNTIME_BUSY. */
  readonly goBack: () => Promise<void>;
  /** Compare all files with their list, and try torch and the cards. */
  readonly verify: () => Promise<void>;
  /** Stops what goes on. */
  readonly cancel: () => void;
  /** Whether what runs now goes on; for tests and the end of the program. */
  readonly settled: () => Promise<void>;
}

export interface RuntimeManagerDependencies {
  /** `<data folder>/runtimes`. */
  readonly folder: string;
  readonly places: RuntimePlaces;
  readonly archiveFolders: () => Promise<readonly string[]>;
  readonly engineVersion: string;
  readonly gpus: () => Promise<GpuFacts>;
  readonly networkAllowed: () => boolean;
  /** Another runtime is there: the worker is started anew with it. */
  readonly onChanged: () => void;
  readonly logger: Logger;
}

type Activity = RuntimeReport["activity"];
type Report = (said: Said, doneBytes: number, totalBytes: number) => void;
const IDLE: Activity = { kind: "idle" };
const DOWNLOADS = "download";

/** The returned function stops everything. An installation that the last run left is begun anew when its archive is still there. */
export async function createRuntimeManager(dependencies: RuntimeManagerDependencies): Promise<readonly [RuntimeManager, () => Promise<void>]> {
  const { folder, places, logger } = dependencies;
  const archives = new Map<string, { readonly archive: Archive; readonly faults: readonly Fault[] }>();
  const value = createLatestValue<RuntimeReport>({ current: null, previous: null, archives: [], recommended: null, folder, activity: IDLE });
  let running: { readonly abort: AbortController; readonly done: Promise<void> } | null = null;
  let recommended: string | null = null;

  const show = (activity: Activity): void => value.set({ ...value.get(), activity });

  /** What is installed and found, as it is now. */
  async function refresh(): Promise<void> {
    const runtime = await findRuntime(places).catch(() => null);
    const installed = await installedRuntimes(folder);
    const current = runtime === null ? null : { kind: runtime.kind, name: runtime.kind === "installed" ? (installed.find((one) => one.folder === runtime.folder)?.id ?? null) : null, folder: runtime.folder };
    const previous = current?.kind === "installed" ? (installed.find((one) => one.folder !== current.folder)?.id ?? null) : null;
    value.set({ ...value.get(), current, previous, archives: [...archives.entries()].map(([id, { archive, faults }]) => described(id, archive, faults)), recommended });
  }

  async function judge(archive: Archive): Promise<string> {
    const gpus = await dependencies.gpus();
    const facts = await gatherFacts({ folder, program: places.installation, engineVersion: dependencies.engineVersion, gpus, toDownloadBytes: 0, environment: process.env });
    archives.set(archive.index.manifestSha256, { archive, faults: preflight(archive.index, facts) });
    recommended = recommend(archives, gpus.driver !== null);
    return archive.index.manifestSha256;
  }

  async function search(): Promise<void> {
    if (running !== null) return;
    show({ kind: "searching" });
    try {
      const found = await findArchives(await dependencies.archiveFolders());
      archives.clear();
      recommended = null;
      for (const archive of found) await judge(archive);
    } finally {
      show(IDLE);
      await refresh();
    }
  }

  /** One piece of work at a time, whose end everybody sees. */
  function begin(work: (report: Report, signal: AbortSignal) => Promise<{ readonly said: Said; readonly warning: Fault | null }>): Promise<void> {
    if (running !== null) throw busy();
    const abort = new AbortController();
    const report: Report = (said, doneBytes, totalBytes) => show({ kind: "working", said, doneBytes, totalBytes });
    const done = work(report, abort.signal)
      .then(
        async ({ said, warning }) => {
          // What is used now is told no later than that it is done.
          await refresh();
          show({ kind: "done", said, warning });
        },
        (error: unknown) => {
          if (abort.signal.aborted) {
            show(IDLE);
            return;
          }
          logger.warning("The work on the runtime failed.", { error });
          show({ kind: "failed", fault: faultOf(error) });
          throw error;
        },
      )
      .finally(() => (running = null))
      .finally(refresh);
    // Who waits for it hears of a failure; for others it stands in the report.
    done.catch(() => undefined);
    running = { abort, done };
    return done;
  }

  /** Throws when it does not work at all; answers what keeps it from the cards. */
  async function tryOut(python: string, temporary: string, signal: AbortSignal): Promise<Fault | null> {
    const answer = await probeRuntime(python, temporary, signal);
    return probeFault(answer, (await dependencies.gpus()).driver !== null);
  }

  async function run(archive: Archive, report: Report, signal: AbortSignal): Promise<{ readonly said: Said; readonly warning: Fault | null }> {
    let warning: Fault | null = null;
    const probe = async (python: string, temporary: string, stop: AbortSignal): Promise<void> => {
      warning = await tryOut(python, temporary, stop);
    };
    const installed = await installRuntime({ archive, folder, probe, signal, onProgress: throttled((step, done, total) => report(stepSaid(step), done, total)) });
    logger.info("A runtime was installed.", { id: installed.id, number: installed.number });
    dependencies.onChanged();
    return { said: say("RUNTIME_INSTALLED", "Engine {name} is installed.", { name: installed.id }), warning };
  }

  function chosen(archiveId: string): Archive {
    const found = archives.get(archiveId);
    if (found === undefined) throw new FaultError({ code: "ARCHIVE_UNKNOWN", what: "The archive is not there any more.", why: "Its drive was taken away, or the list is an old one.", hint: "Look again, or choose its file." });
    const [gravest] = found.faults;
    if (gravest !== undefined) throw new FaultError(gravest);
    return found.archive;
  }

  const install = async (archiveId: string): Promise<void> => {
    // Space and drivers may have changed since it was found.
    const known = archives.get(archiveId);
    if (known !== undefined && running === null) await judge(known.archive);
    const archive = chosen(archiveId);
    void begin((report, signal) => run(archive, report, signal)).catch(() => undefined);
  };

  const installFrom = (address: string): Promise<void> => {
    if (!dependencies.networkAllowed()) return Promise.reject(new FaultError({ code: "RUNTIME_NETWORK_OFF", what: "Nothing was downloaded.", why: "The studio may not use the network.", hint: "Switch the network on at the foot of the set-up page, or choose an archive file." }));
    const downloads = join(folder, DOWNLOADS);
    void begin(async (report, signal) => {
      const archive = await downloadArchive(address, downloads, throttled((done, total) => report(say("RUNTIME_DOWNLOADING", "Downloading the archive"), done, total)), signal);
      chosen(await judge(archive));
      const end = await run(archive, report, signal);
      await rm(downloads, { recursive: true, force: true });
      return end;
    }).catch(() => undefined);
    return Promise.resolve();
  };

  const repair: RuntimeManager["repair"] = async (onStep, signal) => {
    await search();
    if (recommended === null) throw notFound();
    const archive = chosen(recommended);
    const stop = (): void => running?.abort.abort();
    signal.addEventListener("abort", stop, { once: true });
    try {
      await begin((report, own) =>
        run(
          archive,
          (said, done, total) => {
            report(said, done, total);
            onStep(said.text);
          },
          own,
        ),
      );
      signal.throwIfAborted();
    } finally {
      signal.removeEventListener("abort", stop);
    }
  };

  const goBack = async (): Promise<void> => {
    if (running !== null) throw busy();
    const [current, previous] = await installedRuntimes(folder);
    if (current === undefined || previous === undefined) throw new FaultError({ code: "RUNTIME_NO_PREVIOUS", what: "There is no earlier engine.", why: "Only the one in use is installed.", hint: "Install one from an archive." });
    await begin(async (report) => {
      report(say("RUNTIME_GOING_BACK", "Going back to {name}", { name: previous.id }), 0, 0);
      await removeRuntime(current);
      dependencies.onChanged();
      return { said: say("RUNTIME_WENT_BACK", "Engine {name} is in use again.", { name: previous.id }), warning: null };
    });
  };

  const verify = async (): Promise<void> => {
    const runtime = await findRuntime(places);
    if (runtime.kind !== "installed" && runtime.kind !== "shipped") throw new FaultError({ code: "RUNTIME_NOT_LISTED", what: "The files cannot be compared.", why: "This Python was not installed from an archive, so there is no list of its files.", hint: "Repair it instead." });
    void begin(async (report, signal) => {
      await verifyFiles(runtime.folder, throttled((done, total) => report(say("RUNTIME_VERIFYING", "Checking every file"), done, total)), signal);
      report(stepSaid("trying"), 0, 0);
      const temporary = await mkdtemp(join(tmpdir(), "avatar-studio-check-"));
      try {
        const warning = await tryOut(runtime.python, temporary, signal);
        return { said: say("RUNTIME_VERIFIED", "All files of {name} are as they should be.", { name: basename(runtime.folder) }), warning };
      } finally {
        await rm(temporary, { recursive: true, force: true });
      }
    }).catch(() => undefined);
  };

  async function resume(): Promise<void> {
    const [index] = await cutOffInstallations(folder);
    const archive = index === undefined ? null : await openArchive(index).catch(() => null);
    if (archive === null) {
      await sweepRuntimes(folder);
      // Who starts for the first time should find the archive on the page, not a button that looks for it.
      return value.get().current === null ? search() : undefined;
    }
    logger.info("An installation that was cut off is begun anew.", { id: archive.index.id });
    await install(await judge(archive));
  }

  await refresh();
  const resuming = resume()
    .catch((error: unknown) => logger.warning("A cut-off installation could not be begun anew.", { error }))
    .then(refresh);
  const settled = async (): Promise<void> => {
    await resuming;
    await running?.done.catch(() => undefined);
  };
  const manager: RuntimeManager = {
    state: value.get,
    watch: value.stream,
    search,
    add: async (indexPath) => {
      const id = await judge(await openArchive(indexPath));
      await refresh();
      return id;
    },
    install,
    installFrom,
    repair,
    goBack,
    verify,
    cancel: () => running?.abort.abort(),
    settled,
  };
  const close = async (): Promise<void> => {
    await resuming;
    running?.abort.abort();
    await running?.done.catch(() => undefined);
    value.close();
  };
  return [manager, close] as const;
}

function described(id: string, { folder, index }: Archive, faults: readonly Fault[]): RuntimeArchive {
  return { id, name: index.id, gpu: index.gpu, folder, bytes: index.volumes.reduce((sum, volume) => sum + volume.bytes, 0), unpackedBytes: index.unpackedBytes, faults: [...faults] };
}

/** Of those that can be installed: with CUDA where there is a driver, without it elsewhere. */
function recommend(archives: ReadonlyMap<string, { readonly archive: Archive; readonly faults: readonly Fault[] }>, hasDriver: boolean): string | null {
  const usable = [...archives].filter(([, { faults }]) => faults.length === 0);
  const wanted = usable.find(([, { archive }]) => (archive.index.gpu === "cpu") !== hasDriver) ?? usable[0];
  return wanted?.[0] ?? null;
}

function stepSaid(step: InstallStep): Said {
  switch (step) {
    case "verifying":
      return say("RUNTIME_STEP_VERIFYING", "Checking the archive");
    case "unpacking":
      return say("RUNTIME_STEP_UNPACKING", "Unpacking the engine");
    case "trying":
      return say("RUNTIME_STEP_TRYING", "Trying the engine out");
    case "finishing":
      return say("RUNTIME_STEP_FINISHING", "Writing everything to the disk");
    default:
      return assertNever(step);
  }
}

const REPORT_MILLISECONDS = 100;

/** The same function, called at most ten times a second; a change of anything but numbers passes at once. */
function throttled<A extends readonly (number | string)[]>(report: (...values: A) => void): (...values: A) => void {
  let last = 0;
  let words = "";
  return (...values) => {
    const now = performance.now();
    const said = values.filter((one) => typeof one === "string").join();
    if (said === words && now - last < REPORT_MILLISECONDS) return;
    last = now;
    words = said;
    report(...values);
  };
}

function busy(): FaultError {
  return new FaultError({ code: "RUNTIME_BUSY", what: "The engine is already being worked on.", why: "An installation or a check runs.", hint: "Wait for it, or cancel it." });
}

function notFound(): FaultError {
  return new FaultError({ code: "ARCHIVE_NOT_FOUND", what: "No archive of the engine was found.", why: "It was looked for beside the program, in the folder for downloads and on removable drives.", hint: "Put the archive's files into one of these folders, or choose its .json file on the set-up page." });
}
