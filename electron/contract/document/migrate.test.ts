import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { type Migration, migrate } from "./migrate.ts";
import { newDocument } from "./new-document.ts";
import { projectDocumentSchema } from "./project-document.schema.ts";
import { violationsOf } from "./invariants.ts";

// Many random cases, on machines that do other things as well.
vi.setConfig({ testTimeout: 60_000 });

const empty = newDocument({ id: "p", name: "New", audioTrackId: "v1", audioTrackName: "Voice", baseSeed: 5 });

describe("a new document", () => {
  it("is valid, empty, and has the published sizes", () => {
    expect(projectDocumentSchema.parse(empty)).toEqual(empty);
    expect(violationsOf(empty)).toEqual([]);
    expect(empty.settings).toEqual({ modelId: "demo", baseSeed: 5, inferFrames: 48, preview: { width: 384, height: 256, sampleSteps: 3 }, final: { width: 704, height: 384, sampleSteps: 4 } });
  });
});

describe("migrating", () => {
  const rename: Migration = ({ title, ...rest }) => ({ ...rest, name: title });
  const addMarkers: Migration = (document) => ({ ...document, markers: [] });
  const third = { format: "avatar-studio-project", version: 3, name: "x", markers: [] };

  it("leaves the current version as it is, unknown fields too", () => {
    expect(migrate({ ...empty, future: { a: 1 } })).toEqual({ kind: "current", value: { ...empty, future: { a: 1 } }, migratedFrom: null });
  });

  it("goes through all versions in between", () => {
    const first = { format: "avatar-studio-project", version: 1, title: "x" };
    expect(migrate(first, [rename, addMarkers], 3)).toEqual({ kind: "current", value: third, migratedFrom: 1 });
    expect(migrate({ format: "avatar-studio-project", version: 2, name: "x" }, [rename, addMarkers], 3)).toEqual({ kind: "current", value: third, migratedFrom: 2 });
    expect(migrate(third, [rename, addMarkers], 3)).toEqual({ kind: "current", value: third, migratedFrom: null });
  });

  it("says that a file is newer, or not ours", () => {
    expect(migrate({ ...empty, version: 2 })).toEqual({ kind: "newer", version: 2 });
    for (const other of [null, 5, "text", [], {}, { ...empty, format: "other" }, { ...empty, version: "1" }, { ...empty, version: 0 }, { ...empty, version: 1.5 }, { format: "avatar-studio-project" }]) {
      expect(migrate(other)).toEqual({ kind: "unknown" });
    }
  });

  it("does not trip over a damaged old file", () => {
    const careless: Migration = (document) => ({ ...document, count: (document.list as unknown[]).length });
    expect(migrate({ format: "avatar-studio-project", version: 1 }, [careless], 2)).toEqual({ kind: "unknown" });
  });

  it("drops keys that would change prototypes, at any depth", () => {
    const hostile: unknown = JSON.parse(JSON.stringify(empty).replace("{", '{"__proto__": {"isAdmin": true}, "constructor": {"prototype": {"isAdmin": true}}, "list": [{"__proto__": {"isAdmin": true}}],'));
    const migrated = migrate(hostile);
    expect(migrated.kind).toBe("current");
    expect(JSON.stringify(migrated)).not.toContain("__proto__");
    expect(({} as { isAdmin?: boolean }).isAdmin).toBeUndefined();
    const copied: { isAdmin?: boolean } = Object.assign({}, migrated.kind === "current" ? migrated.value : {});
    expect(copied.isAdmin).toBeUndefined();
  });

  it("refuses a file so deep that it could not be written again", () => {
    const deep: unknown = JSON.parse(JSON.stringify(empty).replace("{", `{"deep": ${"[".repeat(100_000)}${"]".repeat(100_000)},`));
    expect(migrate(deep)).toEqual({ kind: "unknown" });
  });

  it("never throws, and what it lets through can be checked by the schema", () => {
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), fc.dictionary(fc.string(), fc.jsonValue()).map((extra) => ({ ...empty, ...extra }))), (value) => {
        const migrated = migrate(value);
        if (migrated.kind === "current") projectDocumentSchema.safeParse(migrated.value);
      }),
    );
  });
});
