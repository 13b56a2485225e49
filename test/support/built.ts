import { ensureBuilt } from "../../build/ensure-built.mjs";

/** Runs once before the tests that drive the built program. */
export default async function built(): Promise<void> {
  await ensureBuilt(["server", "renderer"]);
}
