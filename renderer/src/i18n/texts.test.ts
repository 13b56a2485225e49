import { describe, expect, it } from "vitest";
import chinese from "./zh/index.ts";
import english from "./en/index.ts";

/** Every text by its whole key; lists of texts count as one. */
function flatten(texts: object, prefix = ""): Map<string, string> {
  const found = new Map<string, string>();
  for (const [name, value] of Object.entries(texts) as [string, unknown][]) {
    const key = `${prefix}${name}`;
    if (typeof value === "string") found.set(key, value);
    else if (Array.isArray(value)) found.set(key, value.join("\n"));
    else if (typeof value === "object" && value !== null) for (const [inner, text] of flatten(value, `${key}.`)) found.set(inner, text);
  }
  return found;
}

const PLURAL = /_(zero|one|two|few|many|other)$/;
const en = flatten(english);
const zh = flatten(chinese);
const plain = (keys: Iterable<string>) => [...new Set([...keys].map((key) => key.replace(PLURAL, "")))].sort();
const variables = (text: string) => [...new Set([...text.matchAll(/\{\{\s*(\w+)\s*\}\}/g)].map(([, name]) => name))].sort();

describe("both languages", () => {
  it("have the same keys", () => {
    expect(plain(zh.keys())).toEqual(plain(en.keys()));
  });
  it("have every plural form that the language needs", () => {
    for (const [language, texts] of [["en", en], ["zh", zh]] as const) {
      const forms = new Intl.PluralRules(language).resolvedOptions().pluralCategories;
      const plurals = new Set([...texts.keys()].filter((key) => PLURAL.test(key)).map((key) => key.replace(PLURAL, "")));
      for (const key of plurals) for (const form of forms) expect(texts.has(`${key}_${form}`), `${language}: ${key}_${form}`).toBe(true);
    }
  });
  it("say the same variables", () => {
    for (const [key, text] of zh) {
      const original = en.get(key);
      if (original !== undefined) expect(variables(text), key).toEqual(variables(original));
    }
  });
  it("are never empty, and Chinese is Chinese", () => {
    for (const [key, text] of en) expect(text.trim(), key).not.toBe("");
    for (const [key, text] of zh) {
      // Units, such as dB and kHz, stay as they are.
      const words = /[A-Za-z]{4}/.test(en.get(key)?.replaceAll(/\{\{.*?\}\}/g, "") ?? "");
      if (words) expect(text, key).toMatch(/[\u4e00-\u9fff]/);
    }
  });
});

describe("the program", () => {
  const sources = Object.entries({
    ...import.meta.glob<string>("../**/*.{ts,tsx}", { query: "?raw", import: "default", eager: true }),
    ...import.meta.glob<string>("../../../electron/contract/**/*.ts", { query: "?raw", import: "default", eager: true }),
  })
    .filter(([path]) => !path.includes(".test."))
    .map(([, source]) => source);
  const literals = new Set(sources.flatMap((source) => [...source.matchAll(/["'`]([\w.]+)["'`]/g)].map(([, text]) => text)));
  /** Keys put together from parts: each part that is not known stands for anything. */
  const patterns = sources.flatMap((source) => [...source.matchAll(/`((?:[\w.]+\.)?[\w.]*\$\{[^`]*)`/g)]).flatMap(([, template]) => {
    const pattern = (template ?? "").split(/\$\{(?:[^{}]|\{[^{}]*\})*\}/).map((part) => part.replaceAll(".", "\\.")).join("[\\w.-]+");
    return /^\w+\\\./.test(pattern) ? [new RegExp(`^${pattern}$`)] : [];
  });

  it("uses every text", () => {
    const unused = plain(en.keys()).filter((key) => {
      const [group, code] = key.split(".");
      // Faults of the page are found by their code.
      if (group === "faults" && code !== undefined) return !literals.has(code);
      return !literals.has(key) && !patterns.some((pattern) => pattern.test(key));
    });
    expect(unused).toEqual([]);
  });
  it("has a text for every fault that the page makes", () => {
    const codes = sources.flatMap((source) => [...source.matchAll(/pageFault\(\s*"([A-Z_]+)"/g)].map(([, code]) => code));
    expect(codes.length).toBeGreaterThan(5);
    for (const code of codes) for (const part of ["what", "why", "hint"]) expect(en.has(`faults.${String(code)}.${part}`), String(code)).toBe(true);
  });
});
