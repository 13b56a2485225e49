import { readFile, stat } from "node:fs/promises";
import { z } from "zod";
import { faultSchema, type Fault } from "../../contract/fault.schema.ts";
import type { Settings } from "../../contract/settings.schema.ts";
import { writeJsonAtomically } from "../common/atomic-file.ts";
import { FaultError, faultOf } from "../common/fault-error.ts";
import type { Logger } from "../common/logger.ts";
import { runStoreCommand, type StoreProgram, type TransferReport } from "./store-command.ts";
import { readStoreRecord } from "./store-record.ts";

const requestSchema = z.discriminatedUnion("kind", [z.object({ kind: z.literal("download") }), z.object({ kind: z.literal("import"), source: z.string(), how: z.enum(["copy", "move"]) })]);
export type TransferRequest = z.infer<typeof requestSchema>;

const keptSchema = z.array(z.object({ folder: z.string(), request: requestSchema, /** All files are read again. */ check: z.boolean(), fault: faultSchema.nullable() }));
type Kept = z.infer<typeof keptSchema>[number];

export type TransferState = { readonly kind: "running"; readonly report: TransferReport | null } | { readonly kind: "paused"; readonly fault: Fault | null };

export interface Transfer {
  readonly folder: string;
  readonly request: TransferRequest;
  readonly state: TransferState;
}

/** Downloads and imports of models, one a folder, kept over the program's end. */
export interface Transfers {
  readonly list: () => readonly Transfer[];
  /** Begins, or goes on. Throws NETWORK_OFF for a download under `--offline`, MODEL_BUSY. */
  readonly start: (folder: string, request: TransferRequest, check: boolean) => void;
  /** Goes on with one that is paused, or that a folder's record tells of. Throws MODEL_NOT_UNFINISHED, NETWORK_OFF, MODEL_BUSY. */
  readonly resume: (folder: string) => Promise<void>;
  /** Resolves when it has stopped; nothing happens to one that does not run. */
  readonly pause: (folder: string) => Promise<void>;
  /** Takes it off the list, after {@link pause}; files stay. */
  readonly forget: (folder: string) => Promise<void>;
}

export interface TransfersDependencies {
  /** Where the list is kept. */
  readonly path: string;
  readonly program: StoreProgram;
  readonly downloads: () => Settings["downloads"];
  readonly offline: boolean;
  readonly onChange: () => void;
  /** The model of a folder is whole. */
  readonly onDone: (folder: string) => void;
  readonly logger: Logger;
}

/** Of one start; the last one decides what is shown. */
interface Running {
  readonly abort: AbortController;
  readonly ended: Promise<void>;
  report: TransferReport | null;
}

/** The returned function pauses everything. */
export async function createTransfers(dependencies: TransfersDependencies): Promise<readonly [Transfers, () => Promise<void>]> {
  const { path, program, downloads, offline, onChange, onDone, logger } = dependencies;
  const kept = new Map((await readKept(path)).map((one) => [one.folder, one]));
  const running = new Map<string, Running>();
  let writing: Promise<unknown> = Promise.resolve();

  const save = (): Promise<void> => {
    const result = writing.then(() => writeJsonAtomically(path, [...kept.values()]));
    writing = result.catch((error: unknown) => logger.warning("the list of transfers could not be kept", { error }));
    return result;
  };

  async function run(one: Kept, current: Running): Promise<void> {
    try {
      await runStoreCommand(program, argumentsOf(one, downloads()), environmentOf(one.request, downloads()), current.abort.signal, (report) => {
        current.report = report;
        onChange();
      });
      kept.delete(one.folder);
      onDone(one.folder);
    } catch (error) {
      const fault = current.abort.signal.aborted ? null : faultOf(error);
      if (fault !== null) logger.warning("a transfer of a model stopped", { code: fault.code });
      kept.set(one.folder, { ...one, fault });
    } finally {
      running.delete(one.folder);
      await save().catch(() => undefined);
      onChange();
    }
  }

  const start: Transfers["start"] = (folder, request, check) => {
    if (request.kind === "download" && offline) throw networkOff;
    if (running.has(folder)) throw new FaultError({ code: "MODEL_BUSY", what: "This model is being brought already.", why: "One transfer at a time is enough for a folder.", hint: "Wait until it is done, or pause it." });
    const one: Kept = { folder, request, check, fault: null };
    kept.set(folder, one);
    const abort = new AbortController();
    const current: Running = { abort, report: null, ended: Promise.resolve() };
    // On the list first: after a crash at this moment it can be gone on with.
    const ended = save().catch(() => undefined).then(() => run(one, current));
    running.set(folder, Object.assign(current, { ended }));
    onChange();
  };

  const pause = async (folder: string): Promise<void> => {
    const current = running.get(folder);
    current?.abort.abort(new DOMException("The user paused it", "AbortError"));
    await current?.ended;
  };

  const transfers: Transfers = {
    list: () => [...kept.values()].map(({ folder, request, fault }) => ({ folder, request, state: stateOf(running.get(folder), fault) })),
    start,
    resume: async (folder) => {
      const one = kept.get(folder);
      const request = one?.request ?? (await requestOfRecord(folder));
      if (request === null) throw new FaultError({ code: "MODEL_NOT_UNFINISHED", what: "There is nothing to go on with.", why: "The model was neither downloaded nor imported by the studio, or it is finished.", hint: "Reload the page." });
      start(folder, request, one?.check ?? false);
    },
    pause,
    forget: async (folder) => {
      await pause(folder);
      if (kept.delete(folder)) await save();
      onChange();
    },
  };
  const close = async (): Promise<void> => {
    await Promise.all([...running.keys()].map(pause));
    await writing;
  };
  return [transfers, close] as const;
}

/** What a model's own record says of where it comes from: it can be gone on with, or mended, without our list. */
export async function requestOfRecord(folder: string): Promise<TransferRequest | null> {
  const record = await readStoreRecord(folder);
  if (record === null) return null;
  const { origin } = record;
  return origin.kind === "hub" ? { kind: "download" } : { kind: "import", source: origin.source, how: origin.how };
}

function stateOf(running: Running | undefined, fault: Fault | null): TransferState {
  return running === undefined ? { kind: "paused", fault } : { kind: "running", report: running.report };
}

function argumentsOf({ folder, request, check }: Kept, { endpoint, megabytesPerSecond, connections }: Settings["downloads"]): readonly string[] {
  const common = ["--to", folder, "--stop_on_eof", ...(check ? ["--check"] : [])];
  if (request.kind === "import") return ["import", request.source, "--how", request.how, ...common];
  return ["download", "--parts", String(connections), ...(endpoint === null ? [] : ["--endpoint", endpoint]), ...(megabytesPerSecond === null ? [] : ["--speed_limit", String(megabytesPerSecond)]), ...common];
}

/** An import cannot reach the network. A proxy is told by the environment, since other users can read command lines, and it may have a password. */
function environmentOf(request: TransferRequest, { proxy }: Settings["downloads"]): Readonly<Record<string, string>> {
  if (request.kind === "import") return { LIVE_AVATAR_OFFLINE: "1" };
  return proxy === null ? {} : { HTTP_PROXY: proxy, HTTPS_PROXY: proxy, http_proxy: proxy, https_proxy: proxy, ALL_PROXY: "", all_proxy: "", NO_PROXY: "", no_proxy: "" };
}

async function readKept(path: string): Promise<readonly Kept[]> {
  try {
    const kept = keptSchema.parse(JSON.parse(await readFile(path, "utf8")));
    // A finished one may still be on the list when the program was ended at that moment.
    const finished = await Promise.all(kept.map(async ({ folder, check }) => !check && (await readStoreRecord(folder))?.complete === true));
    return kept.filter((_, index) => !finished[index]);
  } catch {
    return [];
  }
}

/** Whether two folders are on one disk; false when one is not there. */
export async function onOneDisk(one: string, other: string): Promise<boolean> {
  const devices = await Promise.all([one, other].map((path) => stat(path).then((facts) => facts.dev, () => null)));
  return devices[0] !== null && devices[0] === devices[1];
}

const networkOff = new FaultError({ code: "NETWORK_OFF", what: "Nothing is fetched: the network is switched off.", why: "The program was started with --offline.", hint: "Start it without; or copy the model from another computer and import the folder." });
