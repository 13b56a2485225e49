import { once } from "node:events";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, expect, onTestFinished, test } from "vitest";
import { repositoryRoot } from "../../build/setup/paths.mjs";
import type { Model } from "../../electron/contract/machine.schema.ts";
import { type Hub, startHub } from "../support/hub.ts";
import { startStudio, type Studio } from "../support/studio.ts";
import { connectTo, faultOfCall, type StudioClient } from "../support/studio-client.ts";

const demo = join(repositoryRoot, "resources", "models", "demo");
const studios: { readonly studio: Studio; readonly client: StudioClient }[] = [];

afterEach(async () => {
  for (const { studio, client } of studios.splice(0)) {
    client.close();
    await studio.clean();
  }
});

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "avatar-studio-store-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function studioWith(options: Parameters<typeof startStudio>[0] = {}): Promise<{ readonly studio: Studio; readonly client: StudioClient }> {
  // Of the machine's own settings none may matter here.
  const studio = await startStudio({ ...options, environment: { HF_ENDPOINT: "", HF_HUB_OFFLINE: "", NO_PROXY: "127.0.0.1", ...options.environment } });
  const client = await connectTo(studio.link);
  studios.push({ studio, client });
  return { studio, client };
}

async function hubWith(faults: number): Promise<Hub> {
  const hub = await startHub(faults);
  onTestFinished(hub.stop);
  return hub;
}

async function handleOf({ child }: Studio, path: string): Promise<string> {
  child.send({ kind: "register-path", requestId: 1, path, access: "read" });
  const [message] = (await once(child, "message")) as [{ readonly handle: string }];
  return message.handle;
}

/** The first list in which the model is so. */
async function modelThat(client: StudioClient, fits: (model: Model) => boolean): Promise<Model> {
  for await (const list of await client.rpc.models.watch()) {
    const found = list.find((model) => model.kind !== "demo" && fits(model));
    if (found !== undefined) return found;
  }
  throw new Error("The stream ended");
}

const hashOf = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");
const sameFile = (folder: string, name: string): void => expect(hashOf(join(folder, name))).toBe(hashOf(join(demo, name)));
const VAE = "Wan2.1_VAE.pth";

test("a model is downloaded over a poor line, mended file by file, and deleted", async () => {
  const hub = await hubWith(6);
  const { studio, client } = await studioWith();
  await client.rpc.settings.change({ downloads: { endpoint: hub.url, proxy: null, megabytesPerSecond: null, connections: 2 } });
  await client.rpc.models.download();
  const model = await modelThat(client, ({ state }) => state.kind === "ready");
  expect(model).toMatchObject({ name: "Wan2.2-S2V-14B", keeping: "store", mend: "fetch" });
  const folder = join(studio.dataFolder, "checkpoints", "Wan2.2-S2V-14B");
  sameFile(folder, VAE);
  const { sent } = await hub.stats();

  // A disk that lost a bit: verification names the file, mending brings it alone.
  const damaged = readFileSync(join(folder, VAE));
  const middle = Math.floor(damaged.length / 2);
  damaged.writeUInt8(damaged.readUInt8(middle) ^ 1, middle);
  writeFileSync(join(folder, VAE), damaged);
  await client.rpc.models.verify({ modelId: model.id });
  const { state } = await modelThat(client, (one) => one.state.kind === "damaged");
  expect(state).toMatchObject({ faults: [{ code: "MODEL_FILE_CHANGED", what: `A file of the model has changed: ${VAE}.` }] });
  await client.rpc.models.mend({ modelId: model.id, ownFolder: false });
  await modelThat(client, (one) => one.state.kind === "ready");
  sameFile(folder, VAE);
  expect((await hub.stats()).sent - sent).toBe(damaged.length);

  await client.rpc.models.rename({ modelId: model.id, name: "The large one" });
  expect((await modelThat(client, () => true)).name).toBe("The large one");
  const planned = await client.rpc.models.removal({ modelId: model.id });
  expect(planned.freedBytes).toBeGreaterThan(10_000_000);
  expect(await client.rpc.models.remove({ modelId: model.id })).toEqual(planned);
  expect(existsSync(folder)).toBe(false);
  expect((await client.rpc.models.list()).map((one) => one.id)).toEqual(["demo"]);
});

test("a download that was cut off with the whole program goes on when it is told to, and not before", async () => {
  const hub = await hubWith(0);
  const dataFolder = temporaryFolder();
  const first = await studioWith({ dataFolder });
  await first.client.rpc.settings.change({ downloads: { endpoint: hub.url, proxy: null, megabytesPerSecond: 2, connections: 2 } });
  await first.client.rpc.models.download();
  await modelThat(first.client, ({ state }) => state.kind === "working" && state.doneBytes > 1_000_000);
  await first.studio.kill();

  const second = await studioWith({ dataFolder });
  const left = await modelThat(second.client, ({ state }) => state.kind !== "working");
  expect(left.state).toMatchObject({ kind: "unfinished", act: "download" });
  const { requests } = await hub.stats();
  expect((await faultOfCall(second.client.rpc.models.verify({ modelId: left.id }))).code).toBe("MODEL_BUSY");
  expect((await hub.stats()).requests).toBe(requests);
  await second.client.rpc.settings.change({ downloads: { endpoint: hub.url, proxy: null, megabytesPerSecond: 2, connections: 2 } });
  await second.client.rpc.models.resume({ modelId: left.id });
  await modelThat(second.client, ({ state }) => state.kind === "working" && state.transfer !== null && state.doneBytes > 1_000_000);
  await second.client.rpc.models.pause({ modelId: left.id });
  expect((await modelThat(second.client, () => true)).state).toEqual({ kind: "unfinished", act: "download", fault: null });
  await second.client.rpc.settings.change({ downloads: { endpoint: hub.url, proxy: null, megabytesPerSecond: null, connections: 2 } });
  await second.client.rpc.models.resume({ modelId: left.id });
  await modelThat(second.client, ({ state }) => state.kind === "ready");
  sameFile(join(dataFolder, "checkpoints", "Wan2.2-S2V-14B"), VAE);
});

test("a folder is looked at and imported; a damaged one is named and its file imported again", async () => {
  const { studio, client } = await studioWith({ arguments: ["--offline"] });
  const source = join(temporaryFolder(), "模型 with space");
  cpSync(demo, source, { recursive: true });
  const handle = await handleOf(studio, source);
  expect(await client.rpc.models.source({ handle })).toMatchObject({ name: basename(source), usable: true, faults: [] });
  await client.rpc.models.import({ handle, how: "copy" });
  const model = await modelThat(client, ({ state }) => state.kind === "ready");
  expect(model).toMatchObject({ name: basename(source), keeping: "store", mend: "import" });
  const folder = join(studio.dataFolder, "checkpoints", basename(source));
  rmSync(join(folder, VAE));
  await client.rpc.models.verify({ modelId: model.id });
  expect((await modelThat(client, ({ state }) => state.kind === "damaged")).state).toMatchObject({ faults: [{ code: "MODEL_PART_MISSING" }] });
  await client.rpc.models.mend({ modelId: model.id, ownFolder: false });
  await modelThat(client, ({ state }) => state.kind === "ready");
  sameFile(folder, VAE);

  // Used where it lies, the same folder is a model of its own, which is taken off the list and stays on the disk.
  await client.rpc.models.import({ handle, how: "link" });
  const linked = await modelThat(client, ({ keeping, state }) => keeping === "folder" && state.kind === "ready");
  expect((await faultOfCall(client.rpc.models.remove({ modelId: linked.id }))).code).toBe("MODEL_NOT_OF_STORE");
  await client.rpc.models.removeFolder({ modelId: linked.id });
  sameFile(source, VAE);

  // The demo model in another folder can do the same as the shipped one.
  const abilities = await client.rpc.models.abilities({ modelId: model.id });
  expect(abilities.map(({ width, height }) => [width, height])).toEqual([[384, 256], [704, 384], [704, 704]]);
  expect(abilities[0]?.estimate.memoryBytes).toBeGreaterThan(0);

  // Nothing is fetched under --offline, whatever is asked.
  expect((await faultOfCall(client.rpc.models.download())).code).toBe("NETWORK_OFF");
  expect(await client.rpc.models.store()).toMatchObject({ offline: true });
});

test("a folder that is used where it lies is written into only when that was permitted, and stays the user's", async () => {
  const hub = await hubWith(0);
  const { studio, client } = await studioWith();
  await client.rpc.settings.change({ downloads: { endpoint: hub.url, proxy: null, megabytesPerSecond: null, connections: 2 } });
  const folder = join(temporaryFolder(), "my model");
  cpSync(demo, folder, { recursive: true });
  rmSync(join(folder, VAE));
  await client.rpc.models.import({ handle: await handleOf(studio, folder), how: "link" });
  const { id: modelId } = await modelThat(client, ({ state }) => state.kind === "damaged");
  const before = readdirSync(folder).sort();
  expect(await client.rpc.models.mending({ modelId })).toEqual({ ownFolder: folder });
  expect((await faultOfCall(client.rpc.models.mend({ modelId, ownFolder: false }))).code).toBe("MODEL_FOLDER_OWN");
  expect(readdirSync(folder).sort()).toEqual(before);
  expect((await hub.stats()).requests).toBe(0);

  await client.rpc.models.mend({ modelId, ownFolder: true });
  expect((await modelThat(client, ({ state }) => state.kind === "working")).keeping).toBe("folder");
  expect((await modelThat(client, ({ state }) => state.kind === "ready")).keeping).toBe("folder");
  sameFile(folder, VAE);
  expect(readdirSync(folder).sort()).toEqual([...before, VAE, ".model-store"].sort());
  // The next time is asked again, and deleting would take back no more than what was brought.
  expect(await client.rpc.models.mending({ modelId })).toEqual({ ownFolder: folder });
  expect((await client.rpc.models.removal({ modelId })).keptFiles).toEqual(expect.arrayContaining(["config.json", "liveavatar.safetensors"]));
});
