/** Version of the documents that this program reads and writes. */
const CURRENT_VERSION = 1;
const FORMAT = "avatar-studio-project";
/** What the program writes is six levels deep; deeper files would exhaust the stack when they are written again. */
const DEEPEST = 64;

type PlainObject = Readonly<Record<string, unknown>>;
/** Makes a document of version n + 1 from one of version n; it need not set `version`. */
export type Migration = (document: PlainObject) => PlainObject;

/** Entry n makes version n + 2 from version n + 1. */
const MIGRATIONS: readonly Migration[] = [];

export type Migrated =
  /** Of the current version; the schema has not seen it yet. */
  | { readonly kind: "current"; readonly value: PlainObject; readonly migratedFrom: number | null }
  | { readonly kind: "newer"; readonly version: number }
  /** Not a project of ours, or not one that can be read. */
  | { readonly kind: "unknown" };

/**
 * Brings parsed JSON to the current version of the document. Never throws on what a file may hold. Keys named `__proto__` are dropped at any depth:
 * code that copies objects by assignment would take them for orders.
 */
export function migrate(parsed: unknown, migrations = MIGRATIONS, current = CURRENT_VERSION): Migrated {
  if (isDeeperThan(DEEPEST, parsed)) return { kind: "unknown" };
  const value = withoutProtoKeys(parsed);
  if (!isPlainObject(value) || value.format !== FORMAT) return { kind: "unknown" };
  const { version } = value;
  if (typeof version !== "number" || !Number.isInteger(version) || version < 1) return { kind: "unknown" };
  if (version > current) return { kind: "newer", version };
  try {
    const migrated = migrations.slice(version - 1, current - 1).reduce<PlainObject>((document, migration, index) => ({ ...migration(document), version: version + index + 1 }), value);
    return { kind: "current", value: migrated, migratedFrom: version === current ? null : version };
  } catch {
    // A migration that meets something else than its version promises: the file is damaged.
    return { kind: "unknown" };
  }
}

function isDeeperThan(depth: number, value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return depth === 0 || Object.values(value).some((one) => isDeeperThan(depth - 1, one));
}

function withoutProtoKeys(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(withoutProtoKeys);
  const kept = Object.entries(value).filter(([key]) => key !== "__proto__");
  return Object.fromEntries(kept.map(([key, one]) => [key, withoutProtoKeys(one)]));
}

function isPlainObject(value: unknown): value is PlainObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
