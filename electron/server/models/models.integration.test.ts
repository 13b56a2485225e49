import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Model } from "../../contract/machine.schema.ts";
import { modelSchema } from "../../contract/machine.schema.ts";
import { silentLogger } from "../common/logger.ts";
import type { ModelInspection } from "./inspect-model.ts";
import { createModels, type Models } from "./models.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const demo = join(root, "resources", "models", "demo");

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "avatar-studio-models-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Stands in for the engine where a test is not about what it finds: starting it takes seconds. */
const quickLook = (folder: string): Promise<ModelInspection> => {
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => statSync(join(folder, name)).isFile() && /\.(json|pth|safetensors)$/.test(name)) : [];
  const files = names.map((path) => ({ path, bytes: statSync(join(folder, path)).size }));
  return Promise.resolve({ usable: names.includes("config.json"), bytes: files.reduce((sum, file) => sum + file.bytes, 0), files, loraFile: names.find((name) => name.startsWith("liveavatar")) ?? null, faults: [] });
};

function store(demoFolder = demo, list: string[] = [], engine: "real" | "quick" = "quick"): { readonly models: Models; readonly folders: () => readonly string[] } {
  const data = temporaryFolder();
  let folders: readonly string[] = list;
  const [models, close] = createModels({
    demoFolder,
    storeFolder: () => join(data, "checkpoints"),
    transfers: { list: () => [] },
    names: () => ({}),
    folders: () => folders,
    changeFolders: (changed) => {
      folders = changed;
      return Promise.resolve();
    },
    python: () => Promise.resolve(join(root, ".runtime", "bin", "python3")),
    dataFolder: data,
    logger: silentLogger,
    ...(engine === "quick" ? { inspect: quickLook } : {}),
  });
  onTestFinished(close);
  return { models, folders: () => folders };
}

/** The first list in which the model has come to rest. */
async function settled(models: Models, id: string): Promise<Model> {
  for await (const list of models.watch()) {
    modelSchema.array().parse(list);
    const model = list.find((one) => one.id === id);
    if (model !== undefined && model.state.kind !== "working") return model;
  }
  throw new Error("The stream ended");
}

/** A copy of the demo model under another name, in a folder of models. */
function copied(): { readonly parent: string; readonly folder: string } {
  const parent = temporaryFolder();
  const folder = join(parent, "模型 with space");
  cpSync(demo, folder, { recursive: true });
  mkdirSync(join(parent, "something else"));
  return { parent, folder };
}

describe("the shipped model", () => {
  test("is ready, with its LoRA, and its card says what it cannot do", async () => {
    const { models } = store(demo, [], "real");
    const model = await settled(models, "demo");
    expect(model).toMatchObject({ kind: "demo", state: { kind: "ready" } });
    expect(model.note).toContain("cartoon avatars only");
    expect(model.bytes).toBeGreaterThan(10_000_000);
    expect(await models.find("demo")).toEqual({ folder: demo, lora: join(demo, "liveavatar.safetensors") });
    await expect(models.removeFolder("demo")).rejects.toMatchObject({ fault: { code: "MODEL_SHIPPED" } });
  });

  test("that is not there is missing, not an error of the list", async () => {
    const { models } = store("/nowhere/demo");
    expect(await settled(models, "demo")).toMatchObject({ state: { kind: "missing" } });
    await expect(models.find("demo")).rejects.toMatchObject({ fault: { code: "MODEL_MISSING" } });
    await expect(models.find("other")).rejects.toMatchObject({ fault: { code: "MODEL_UNKNOWN" } });
  });
});

describe("folders of the user", () => {
  test("are added, found below the chosen folder, and taken off the list again", async () => {
    const { models, folders } = store();
    const { parent, folder } = copied();
    await models.addFolder(parent);
    expect(folders()).toEqual([parent]);
    const added = (await models.list()).find((one) => one.id !== "demo");
    expect(added).toMatchObject({ name: "模型 with space", kind: "published" });
    const id = added?.id ?? "";
    expect(await settled(models, id)).toMatchObject({ state: { kind: "ready" } });
    expect(await models.find(id)).toEqual({ folder, lora: join(folder, "liveavatar.safetensors") });
    await models.removeFolder(id);
    expect(folders()).toEqual([]);
    expect((await models.list()).map((one) => one.id)).toEqual(["demo"]);
  });

  test("without a model in them, or that are none, are refused", async () => {
    const { models, folders } = store();
    const empty = temporaryFolder();
    writeFileSync(join(empty, "file"), "");
    for (const path of [empty, join(empty, "file"), "/nowhere", "relative"]) await expect(models.addFolder(path)).rejects.toMatchObject({ fault: { code: "MODEL_FOLDER_INVALID" } });
    expect(folders()).toEqual([]);
  });

  test("with damage say which part", async () => {
    const { parent, folder } = copied();
    truncateSync(join(folder, "Wan2.1_VAE.pth"), 1_000);
    rmSync(join(folder, "google"), { recursive: true });
    const { models } = store(demo, [parent], "real");
    const id = (await models.list()).find((one) => one.id !== "demo")?.id ?? "";
    const { state } = await settled(models, id);
    expect(state.kind === "damaged" ? state.faults.map((fault) => fault.code) : state).toEqual(["MODEL_PART_MISSING", "CHECKPOINT_FILE_DAMAGED"]);
    await expect(models.find(id)).rejects.toMatchObject({ fault: { code: "MODEL_PART_MISSING", why: "Not found: google/umt5-xxl/tokenizer.json." } });
  });
});

describe("verification", () => {
  test("reads all, tells how far, and finds a byte that changed since", async () => {
    const { parent, folder } = copied();
    const { models } = store(demo, [parent]);
    const id = (await models.list()).find((one) => one.id !== "demo")?.id ?? "";
    await settled(models, id);
    await models.verify(id);
    await expect(models.verify(id)).rejects.toMatchObject({ fault: { code: "MODEL_BUSY" } });
    expect(await settled(models, id)).toMatchObject({ state: { kind: "ready" } });
    const shard = join(folder, "diffusion_pytorch_model-00001-of-00002.safetensors");
    const bytes = readFileSync(shard);
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 5) ^ 1, bytes.length - 5);
    writeFileSync(shard, bytes);
    await models.verify(id);
    expect(await settled(models, id)).toMatchObject({ state: { kind: "damaged", faults: [{ code: "MODEL_FILE_CHANGED", what: "A file of the model has changed: diffusion_pytorch_model-00001-of-00002.safetensors." }] } });
  });
});
