import { defineConfig } from "vitest/config";

// vitest's report of failed tests wants Node 22. On Node 20 this is all that it misses.
if (!("groupBy" in Map)) {
  Object.defineProperty(Map, "groupBy", {
    value: <Item, Key>(items: Iterable<Item>, keyOf: (item: Item) => Key): Map<Key, Item[]> => {
      const groups = new Map<Key, Item[]>();
      for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
      return groups;
    },
  });
}

/** What a test that drives a real program may take; unit tests keep the default. */
const PROGRAM_MILLISECONDS = 180_000;

const drivesPrograms = {
  environment: "node",
  // Two cores, and each file drives a browser, a server or the engine: side by side they would only starve each other.
  fileParallelism: false,
  testTimeout: PROGRAM_MILLISECONDS,
  hookTimeout: PROGRAM_MILLISECONDS,
  // Usually a second, which a page on a busy machine may need to load.
  expect: { poll: { timeout: 30_000 } },
} as const;

const INTEGRATION = "electron/**/*.integration.test.ts";

export default defineConfig({
  test: {
    projects: [
      { test: { name: "unit", environment: "node", include: ["electron/**/*.test.ts", "renderer/src/**/*.test.{ts,tsx}", "test/support/**/*.test.ts"], exclude: [INTEGRATION] } },
      { test: { ...drivesPrograms, name: "process", include: [INTEGRATION, "test/process/**/*.test.ts", "test/security/**/*.test.ts"], globalSetup: "test/support/built.ts" } },
      { test: { ...drivesPrograms, name: "browser", include: ["test/browser/**/*.test.ts"], globalSetup: "test/support/built.ts" } },
      { test: { ...drivesPrograms, name: "package", include: ["test/package/**/*.test.ts"], globalSetup: "test/support/packaged.ts" } },
      { test: { ...drivesPrograms, testTimeout: 60_000, name: "electron", include: ["test/electron/**/*.test.ts"] } },
    ],
  },
});
