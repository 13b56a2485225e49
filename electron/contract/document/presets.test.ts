import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { PRESETS } from "./presets.ts";

it("the presets are the engine's", () => {
  const source = readFileSync(new URL("../../../python-runtime/live_avatar/presets.py", import.meta.url), "utf8");
  const engine = [...source.matchAll(/Preset\("(\w+)", "[^"]*", \((\d+), (\d+)\), (\d+), (\d+)\)/g)].map(([, id, ...numbers]) => [id, ...numbers.map(Number)]);
  expect(engine).toHaveLength(4);
  expect(PRESETS.map(({ id, settings, clips }) => [id, settings.width, settings.height, clips, settings.sampleSteps])).toEqual(engine);
});
