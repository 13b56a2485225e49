import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Page } from "playwright-core";
import { describe, expect } from "vitest";
import { repositoryRoot } from "../../build/setup/paths.mjs";
import { test } from "../support/studio-test.ts";

const KILOBYTE = 1_000;
const MOST_SCRIPT_KILOBYTES = 400;

/** Contrast of two design tokens as the browser computes them (WCAG 2). */
async function ratios(page: Page, pairs: readonly (readonly [string, string])[]): Promise<number[]> {
  return page.evaluate((given) => {
    const style = getComputedStyle(document.documentElement);
    const luminance = (token: string): number => {
      const probe = document.createElement("div");
      probe.style.color = style.getPropertyValue(`--${token}`);
      document.body.append(probe);
      const [red = 0, green = 0, blue = 0] = (/\d+, \d+, \d+/.exec(getComputedStyle(probe).color)?.[0] ?? "").split(", ").map((part) => {
        const share = Number(part) / 255;
        return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
      });
      probe.remove();
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    return given.map(([one, other]) => {
      const [a, b] = [luminance(one), luminance(other)];
      return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    });
  }, pairs);
}

const SURFACES = ["surface-0", "surface-1", "surface-2", "surface-3", "surface-raised"];
const TEXT_ON: Readonly<Record<string, readonly string[]>> = {
  text: [...SURFACES, "surface-sunken", "accent-soft", "ok-soft", "warn-soft", "danger-soft"],
  "text-muted": SURFACES,
  "text-faint": ["surface-0", "surface-1", "surface-2"],
  "accent-text": ["surface-0", "surface-1", "surface-2", "accent-soft"],
  ok: ["surface-1", "surface-2", "ok-soft"],
  warn: ["surface-1", "surface-2", "warn-soft"],
  danger: ["surface-1", "surface-2", "surface-raised", "danger-soft"],
  "on-accent": ["accent", "accent-hover"],
  "on-danger": ["danger-fill"],
  "on-track": ["track-portrait", "track-prompt", "track-voice", "track-video"],
};
const EDGES_ON: Readonly<Record<string, readonly string[]>> = { "border-control": ["surface-0", "surface-1", "surface-2"], focus: SURFACES, playhead: ["surface-0", "surface-1"] };
const pairsOf = (table: Readonly<Record<string, readonly string[]>>) => Object.entries(table).flatMap(([one, others]) => others.map((other) => [one, other] as const));

describe.each(["dark", "light"] as const)("the colours of the %s theme", (theme) => {
  test("can be read (AA), also where no screen shows them yet", async ({ openPage }) => {
    const page = await openPage({ colorScheme: theme });
    await page.locator(`html[data-theme=${theme}]`).waitFor();
    for (const [table, least] of [[TEXT_ON, 4.5], [EDGES_ON, 3]] as const) {
      const pairs = pairsOf(table);
      const found = await ratios(page, pairs);
      const weak = pairs.map(([one, other], index) => [`${one} on ${other}`, found[index] ?? 0] as const).filter(([, ratio]) => ratio < least);
      expect(weak).toEqual([]);
    }
  });
});

test("all scripts of the page together are small", () => {
  const folder = join(repositoryRoot, "dist", "renderer", "assets");
  const scripts = readdirSync(folder).filter((name) => name.endsWith(".js"));
  const bytes = scripts.reduce((sum, name) => sum + gzipSync(readFileSync(join(folder, name))).length, 0);
  expect(scripts.length).toBeGreaterThan(5);
  expect(bytes / KILOBYTE).toBeLessThan(MOST_SCRIPT_KILOBYTES);
});
