import { describe, expect, it } from "vitest";
import { faultText, saidText } from "./server-texts.ts";
import chinese from "./server-texts/zh.json";
import english from "./server-texts/en.json";

const said = (code: string, text: string, values: Readonly<Record<string, string | number>> = {}) => ({ code, text, values: { ...values } });

describe("sentences of the server", () => {
  it("are said in the user's language with their values; one without a translation, or without a value of it, stays English", () => {
    expect(saidText(said("CLIP", "Clip 3", { clip: 3 }), chinese)).toBe("片段 3");
    expect(saidText(said("WORKER_SILENT_AT", "No sign of life for 12 seconds. Last: Clip 3", { seconds: 12, doing: "Clip 3" }), chinese)).toBe("引擎已 12 秒没有响应。");
    expect(saidText(said("UNNAMED", "Something new"), chinese)).toBe("Something new");
    expect(saidText(said("CLIP", "Clip ?"), chinese)).toBe("Clip ?");
    expect(saidText(said("AUDIO_QUIET", "The peak is at -40 dB."), chinese)).toBe(chinese.findings.AUDIO_QUIET);
  });

  it("of a fault have its figures, and no flags of the command line", () => {
    const fault = { code: "SIZE_TOO_LARGE_FOR_MEMORY", what: "Pictures of 1920x1088 do not fit into memory.", why: "They need 45.6 GB.", hint: 'The largest that fits is --size "704*384".', field: "size" };
    const values = { width: 1920, height: 1088, needed: 45.6, free: 16, largest_width: 704, largest_height: 384 };
    expect(faultText({ ...fault, values }, chinese)).toEqual({ what: "1920 x 1088 的画面放不下。", why: "需要 45.6 GB，可用 16 GB。", hint: "这张肖像最大可用 704 x 384。" });
    expect(faultText({ ...fault, values }, english)).toEqual({ what: fault.what, why: fault.why, hint: "The largest that fits with this portrait is 704 x 384." });
    expect(faultText(fault, chinese)).toEqual({ what: fault.what, why: fault.why, hint: fault.hint });
  });

  const server = Object.values(import.meta.glob<string>(["../../../electron/server/**/*.ts", "!../../../electron/server/**/*.test.ts"], { query: "?raw", import: "default", eager: true })).join("\n");

  it("have a Chinese one each, with no value that the English one lacks", () => {
    const sentences = [...server.matchAll(/\bsay\("([A-Z_]+)", "([^"]+)"/g)].map(([, code = "", english = ""]) => ({ code, english }));
    expect(sentences.length).toBeGreaterThan(25);
    for (const { code, english } of sentences) {
      const text = (chinese.said as Readonly<Record<string, string>>)[code];
      expect(text, code).toBeDefined();
      const values = new Set([...english.matchAll(/\{(\w+)\}/g)].map(([, name]) => name));
      for (const [, name] of (text ?? "").matchAll(/\{\{(\w+)\}\}/g)) expect(values, code).toContain(name);
    }
  });
});
