import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../build/setup/paths.mjs";

const folder = join(repositoryRoot, "dist", "renderer", "assets");
const scripts = readdirSync(folder).filter((name) => name.endsWith(".js")).map((name) => readFileSync(join(folder, name)));

test("all scripts of the page together are at most 400 kB compressed", () => {
  expect(scripts.length).toBeGreaterThan(0);
  const bytes = scripts.reduce((sum, script) => sum + gzipSync(script).length, 0);
  expect(bytes).toBeLessThanOrEqual(400_000);
});

test("the contract's schemas stay out of the page", () => {
  // zod writes this name into every error it makes.
  expect(scripts.some((script) => script.includes("ZodError"))).toBe(false);
});

test("the page needs no inline script, which its security policy forbids", () => {
  const page = readFileSync(join(repositoryRoot, "dist", "renderer", "index.html"), "utf8");
  const inline = [...page.matchAll(/<script\b([^>]*)>([\s\S]*?)<\/script>/g)].filter(([, attributes, body]) => body?.trim() !== "" || !attributes?.includes("src="));
  expect(inline).toEqual([]);
  expect(page).not.toMatch(/\son\w+=/);
});
