import { createRequire } from "node:module";
import { Worker } from "node:worker_threads";
import { normalBus } from "./nvidia-smi-output.ts";

/** An adapter as the operating system lists it. */
export interface SystemGraphics {
  readonly name: string;
  /** In the form of {@link normalBus}; null when the system does not tell. */
  readonly pciBus: string | null;
  readonly isNvidia: boolean;
}

const PATIENCE_MILLISECONDS = 30_000;

/** Runs in a thread: systeminformation asks with calls that block for seconds. */
const THREAD = `
const { parentPort, workerData } = require("node:worker_threads");
const information = require(workerData);
information.graphics().then(
  ({ controllers }) => parentPort.postMessage(controllers.map(({ vendor, model, name, busAddress, pciBus }) => ({ vendor, model, name, bus: busAddress || pciBus || null }))),
  () => parentPort.postMessage([]),
);
`;

/** The graphics adapters that the operating system knows; empty when it does not tell in time. Never throws. */
export async function listSystemGraphics(): Promise<readonly SystemGraphics[]> {
  let thread: Worker | null = null;
  try {
    // Resolved here: a thread made from text looks for packages in the working folder. A package keeps it beside its archive, which threads may not read.
    const library = createRequire(import.meta.url).resolve("systeminformation").replace(/app\.asar(?=[\\/])/, "app.asar.unpacked");
    const worker = new Worker(THREAD, { eval: true, workerData: library, stdout: true, stderr: true });
    thread = worker;
    worker.unref();
    const answer = await new Promise<unknown>((resolve, reject) => {
      const timer = setTimeout(() => resolve([]), PATIENCE_MILLISECONDS);
      timer.unref();
      worker.once("message", resolve);
      worker.once("error", reject);
      worker.once("exit", () => resolve([]));
    });
    return readControllers(answer);
  } catch {
    return [];
  } finally {
    await thread?.terminate();
  }
}

/** What the thread sends, judged: systeminformation leaves out or empties what it does not know. */
export function readControllers(answer: unknown): readonly SystemGraphics[] {
  if (!Array.isArray(answer)) return [];
  return answer.flatMap((one: unknown): SystemGraphics[] => {
    if (typeof one !== "object" || one === null) return [];
    const text = (key: string): string => {
      const value: unknown = Reflect.get(one, key);
      return typeof value === "string" ? value.trim() : "";
    };
    const [vendor, model] = [text("vendor"), text("model") || text("name")];
    if (model === "" && vendor === "") return [];
    const name = model.toLowerCase().includes(vendor.toLowerCase().split(" ")[0] ?? "") ? model : `${vendor} ${model}`;
    return [{ name: name.trim(), pciBus: normalBus(text("bus") || null), isNvidia: /nvidia/i.test(`${vendor} ${model}`) }];
  });
}

/** Names of the adapters that are not among the cards already listed. */
export function otherGraphics(adapters: readonly SystemGraphics[], buses: readonly (string | null)[]): string[] {
  const known = new Set(buses.map(normalBus).filter((bus) => bus !== null));
  // Without an address the maker tells: the engine's cards are all NVIDIA's.
  return adapters.filter(({ pciBus, isNvidia }) => (pciBus === null ? !isNvidia || buses.length === 0 : !known.has(pciBus))).map(({ name }) => name);
}
