import { readFile } from "node:fs/promises";
import { type Settings, settingsSchema } from "../../contract/settings.schema.ts";
import { writeFileAtomically, writeJsonAtomically } from "../common/atomic-file.ts";
import { createLatestValue } from "../common/event-hub.ts";
import { FaultError, systemErrorCode } from "../common/fault-error.ts";
import { type Logger } from "../common/logger.ts";

export interface SettingsStore {
  readonly get: () => Settings;
  /** Resolves when the change is on disk. Throws SETTINGS_INVALID or the file's fault; the old settings then stay. */
  readonly change: (change: SettingsChange) => Promise<Settings>;
  readonly watch: (signal?: AbortSignal) => AsyncGenerator<Settings, void, undefined>;
}

/** Fields that are missing or undefined stay as they are. */
export type SettingsChange = { readonly [Name in keyof Settings]?: Settings[Name] | undefined };

export const DEFAULT_SETTINGS: Settings = {
  version: 1,
  language: "system",
  theme: "system",
  gpus: null,
  shareCards: true,
  weightPrecision: "auto",
  defaultModelId: "demo",
  modelFolders: [],
  networkAllowed: false,
  modelStore: null,
  modelNames: {},
  downloads: { endpoint: null, proxy: null, megabytesPerSecond: null, connections: 4 },
  updateAddress: null,
  shortcuts: {},
  snapping: true,
  playerVolume: 1,
};

/** Settings are small; somebody who fills them with more than this is no user. */
const MOST_CHARACTERS = 1_000_000;

/** A damaged file is put aside as `<path>.damaged` and the program goes on with what can be read of it, field by field. */
export async function openSettings(path: string, logger: Logger): Promise<readonly [SettingsStore, () => Promise<void>]> {
  const latest = createLatestValue<Settings>(await readSettings(path, logger));
  let writing: Promise<unknown> = Promise.resolve();

  const change = async (wanted: SettingsChange): Promise<Settings> => {
    const given = Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined));
    const next = settingsSchema.safeParse({ ...latest.get(), ...given, version: 1 });
    if (!next.success || JSON.stringify(next.data).length > MOST_CHARACTERS) throw invalid;
    await writeJsonAtomically(path, next.data);
    latest.set(next.data);
    return next.data;
  };

  const store: SettingsStore = {
    get: latest.get,
    change: (wanted) => {
      // One after the other: each change builds on the one before.
      const result = writing.then(() => change(wanted));
      writing = result.catch(() => undefined);
      return result;
    },
    watch: latest.stream,
  };
  const cleanup = async (): Promise<void> => {
    await writing;
    latest.close();
  };
  return [store, cleanup] as const;
}

async function readSettings(path: string, logger: Logger): Promise<Settings> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (systemErrorCode(error) !== "ENOENT") logger.warning("the settings could not be read", { error });
    return DEFAULT_SETTINGS;
  }
  const settings = settingsOf(text);
  if (settings.complete) return settings.settings;
  logger.warning("the settings file was damaged; it was kept as settings.json.damaged");
  await writeFileAtomically(`${path}.damaged`, text).catch(() => undefined);
  return settings.settings;
}

/** As much of a settings file as fits; unknown fields are kept. */
export function settingsOf(text: string): { readonly settings: Settings; readonly complete: boolean } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { settings: DEFAULT_SETTINGS, complete: false };
  }
  const whole = settingsSchema.safeParse(typeof value === "object" ? { ...DEFAULT_SETTINGS, ...value } : value);
  if (whole.success) return { settings: whole.data, complete: true };
  if (typeof value !== "object" || value === null) return { settings: DEFAULT_SETTINGS, complete: false };
  const bad = new Set(whole.error.issues.map((issue) => String(issue.path[0])));
  const good = Object.entries(value).filter(([name]) => !bad.has(name));
  const rest = settingsSchema.safeParse({ ...DEFAULT_SETTINGS, ...Object.fromEntries(good) });
  return { settings: rest.success ? rest.data : DEFAULT_SETTINGS, complete: false };
}

const invalid = new FaultError({ code: "SETTINGS_INVALID", what: "The settings were not changed.", why: "A value is not one that the program knows.", hint: "Reload the page and choose again." });
