import { expect, test } from "vitest";
import { secret } from "../common/logger.ts";
import { type PrivateValues, withoutPrivate } from "./private-text.ts";

const NOTHING: PrivateValues = { folders: [], names: [], prompts: [] };
const HIDE = { withPaths: false, withPrompts: false };
const SHOW = { withPaths: true, withPrompts: true };

test.each([
  "/home/geheim/projects/x.wav",
  '"/home/geheim/My Videos/ge heim.avatar"',
  "file:///home/geheim/x",
  "C:\\Users\\geheim\\Desktop\\x.wav",
  '{"path":"C:\\\\Users\\\\geheim\\\\x"}',
  "C:/Users/geheim/x",
  "\\\\server\\geheim\\x",
  "ENOENT: no such file, open '/srv/geheim/a b/c.wav'",
  "/mnt/geheim/文件 夹/x.wav: No such file",
  "(/opt/geheim/app.js:10:5)",
  "cwd=/var/geheim/x",
  "~/geheim/notes/x",
])("paths nobody told us of are hidden: %s", (text) => {
  expect(withoutPrivate(`before ${text} after`, NOTHING, HIDE)).not.toContain("geheim");
});

test("ordinary text stays readable", () => {
  const text = 'AUDIO_TRUNCATED: 48000/25 samples, 50 % and/or 16/9, ratio 3/4; driver 580.95.05 {"freeBytes":123,"share":0.5} http status 404';
  expect(withoutPrivate(text, NOTHING, HIDE)).toBe(text);
});

const NAME = 'Zoë "the boss" 王小明';
test.each([
  ["as it is", NAME],
  ["in JSON", JSON.stringify(NAME)],
  ["in ASCII JSON", JSON.stringify(NAME).replaceAll(/[\u0080-\uffff]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`)],
  ["in an address", encodeURIComponent(NAME)],
  ["decomposed", NAME.normalize("NFD")],
  ["in capitals", NAME.toUpperCase()],
])("a known name is hidden %s", (_how, spelling) => {
  const clean = withoutPrivate(`x ${spelling} y`, { ...NOTHING, names: [NAME] }, HIDE);
  expect(clean).not.toMatch(/zo|boss|王|738b|%E7%8E%8B/i);
});

test("prompts are hidden whole, by sentences, and across lines", () => {
  const prompt = "A tall woman laughs. She wears (red) $1 \\d+ clothes\nin a garden";
  const values = { ...NOTHING, prompts: [prompt] };
  for (const text of [prompt, JSON.stringify(prompt), "log: A tall woman laughs. and more", "She wears (red) $1 \\d+ clothes"]) {
    expect(withoutPrivate(text, values, HIDE)).not.toMatch(/woman|red|garden/);
  }
  expect(withoutPrivate(prompt, values, { withPaths: false, withPrompts: true })).toContain("woman");
});

test("folders that hold one another, and values that hold marks of patterns", () => {
  const values = { ...NOTHING, folders: ["/home/a", "/home/a/proj (1)[x]+"], names: ["$&", "a.c"] };
  const clean = withoutPrivate("/home/a/proj (1)[x]+/media/v.wav /home/a/b abc", values, HIDE);
  expect(clean).not.toMatch(/proj|media|v\.wav/);
  expect(clean).toContain("abc");
});

test("what the log marks as secret is hidden even when paths and prompts are wanted", () => {
  expect(withoutPrivate(`args ${secret("/home/x token=1")} end`, NOTHING, SHOW)).toBe("args [hidden] end");
  expect(withoutPrivate("/home/me/x", { ...NOTHING, folders: ["/home/me"], prompts: ["hello there"] }, SHOW)).toBe("/home/me/x");
});

test("long and hostile text is judged in reasonable time", () => {
  // Patterns that go back and forth would not come to an end before the test's time is over.
  for (const text of ["/".repeat(200_000), "/a".repeat(100_000), '"/'.repeat(100_000), "C:\\".repeat(60_000), "<folder> ".repeat(20_000), "~/".repeat(100_000), " /a b/".repeat(40_000)]) {
    expect(withoutPrivate(`${text} /home/geheim/x`, NOTHING, HIDE)).not.toContain("geheim");
  }
});
