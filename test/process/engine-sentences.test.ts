import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { repositoryRoot, runtimePaths } from "../../build/setup/paths.mjs";
import chinese from "../../renderer/src/i18n/server-texts/zh.json" with { type: "json" };
import english from "../../renderer/src/i18n/server-texts/en.json" with { type: "json" };

/** Every code that the engine can send, by kind, with the names of the values that always come with it: as the engine itself lists them. */
type Listed = Readonly<Record<"doing" | "warnings" | "words" | "faults", Readonly<Record<string, readonly string[]>>>>;
const listed = JSON.parse(execFileSync(runtimePaths(repositoryRoot).python, ["-I", "-X", "utf8", "-m", "live_avatar.worker", "--sentences"], { encoding: "utf8" })) as Listed;

type Texts = Readonly<Record<string, string>>;
const LANGUAGES: Readonly<Record<string, { readonly said: Texts; readonly findings: Texts; readonly faults: Readonly<Record<string, Texts>> }>> = { en: english, zh: chinese };

const namesIn = (text: string): string[] => [...text.matchAll(/\{\{(\w+)\}\}/g)].map(([, name = ""]) => name);

for (const [language, { said, findings, faults }] of Object.entries(LANGUAGES)) {
  test(`every stage, warning and phrase of the engine has a text, ${language}`, () => {
    const codes = [...Object.entries(listed.doing), ...Object.entries(listed.warnings), ...Object.entries(listed.words)];
    expect(codes.length).toBeGreaterThan(80);
    for (const [code, values] of codes) {
      const text = said[code] ?? findings[code];
      expect(text, code).toBeDefined();
      // A text with a value that does not come would never be shown.
      for (const name of namesIn(text ?? "")) expect(values, code).toContain(name);
    }
  });
  test(`no text about a fault asks for a value that the engine does not send, ${language}`, () => {
    for (const [code, values] of Object.entries(listed.faults)) for (const name of namesIn(Object.values(faults[code] ?? {}).join())) expect(values, code).toContain(name);
  });
}

test("every fault of the engine can be said in Chinese, whole; in English the engine says it itself", () => {
  expect(Object.keys(listed.faults).length).toBeGreaterThan(80);
  for (const code of Object.keys(listed.faults)) for (const part of ["what", "why", "hint"]) expect(LANGUAGES.zh?.faults[code]?.[part], `${code}.${part}`).toMatch(/[\u4e00-\u9fff]/);
});
