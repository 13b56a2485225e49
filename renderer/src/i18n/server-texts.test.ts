import { describe, expect, it } from "vitest";
import { saidText } from "./server-texts.ts";
import chinese from "./server-texts/zh.json";

const said = (code: string, text: string, values: Readonly<Record<string, string | number>> = {}) => ({ code, text, values: { ...values } });

describe("sentences of the server", () => {
  it("are said in the user's language with their values; one without a translation stays English", () => {
    expect(saidText(said("CLIP", "Clip 3", { clip: 3 }), chinese)).toBe("片段 3");
    expect(saidText(said("WORKER_SILENT_AT", "No sign of life for 12 seconds. Last: Clip 3", { seconds: 12, doing: "Clip 3" }), chinese)).toBe("引擎已 12 秒没有响应。");
    expect(saidText(said("UNNAMED", "Something new"), chinese)).toBe("Something new");
    expect(saidText(said("CLIP", "Clip ?"), chinese)).toBe("片段 {{clip}}");
  });

  const server = Object.values(import.meta.glob<string>(["../../../electron/server/**/*.ts", "!../../../electron/server/**/*.test.ts"], { query: "?raw", import: "default", eager: true })).join("\n");
  const engine = Object.values(import.meta.glob<string>("../../../python-runtime/live_avatar/{render_run,pipeline,distributed/team_pipeline}.py", { query: "?raw", import: "default", eager: true })).join("\n");

  it("have a Chinese one each, with no value that the English one lacks", () => {
    const sentences = [...server.matchAll(/\bsay\("([A-Z_]+)", "([^"]+)"/g)].map(([, code = "", english = ""]) => ({ code, english }));
    expect(sentences.length).toBeGreaterThan(25);
    for (const { code, english } of sentences) {
      const text = (chinese.said as Readonly<Record<string, string>>)[code];
      expect(text, code).toBeDefined();
      const values = new Set([...english.matchAll(/\{(\w+)\}/g)].map(([, name]) => name));
      for (const [, name] of (text ?? "").matchAll(/\{\{(\w+)\}\}/g)) expect(values, code).toContain(name);
    }
    const codes = [...engine.matchAll(/"((?:MODEL|CODEC|PROMPT|SOUND|PORTRAIT|CLIPS|ALL)_[A-Z_]+|STATE_SAVING|PREFILLING|CONTINUING|CHANGED_SINCE)"/g)].map(([, code = ""]) => code);
    expect(codes.length).toBeGreaterThan(15);
    for (const code of codes) expect(chinese.said, code).toHaveProperty(code);
  });
});
