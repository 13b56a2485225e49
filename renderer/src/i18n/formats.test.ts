import { describe, expect, it } from "vitest";
import { createFormats } from "./formats.ts";
import { resolveLanguage } from "./index.ts";

const english = createFormats("en");
const chinese = createFormats("zh");

describe("formats", () => {
  it("counts bytes by the thousand", () => {
    expect([0, 999, 1_000, 3_140_000, 24e9, 3e15].map(english.bytes)).toEqual(["0 B", "999 B", "1 kB", "3.1 MB", "24 GB", "3,000 TB"]);
    expect(english.bytes(-5)).toBe("0 B");
  });
  it("rounds durations to what matters", () => {
    expect([0.4, 59.4, 61, 3599, 3600, 3725, 90_000].map(english.duration)).toEqual(["0 sec", "59 sec", "1 min", "60 min", "1 hr", "1 hr 2 min", "25 hr"]);
    expect(chinese.duration(125)).toBe("2分钟");
    expect(chinese.duration(3 * 3600 + 60)).toBe("3小时 1分钟");
  });
  it("writes lengths as clocks", () => {
    expect([0, 42.9, 600, 3723, -1].map(english.clock)).toEqual(["0:00", "0:42", "10:00", "1:02:03", "0:00"]);
  });
  it("lists phrases", () => {
    expect(english.list(["a", "b", "c"])).toBe("a, b, c");
    expect(chinese.list(["甲", "乙", "丙"])).toBe("甲、乙、丙");
  });
  it("keeps shares between nothing and everything", () => {
    expect([-1, 0.005, 0.62, 1.2].map(english.percent)).toEqual(["0%", "1%", "62%", "100%"]);
  });
  it("says when, by how long ago it was", () => {
    const now = new Date(2026, 10, 22, 16, 0).getTime();
    expect(english.when(new Date(2026, 10, 22, 9, 5).getTime(), now)).toMatch(/0?9:05/);
    expect(english.when(new Date(2026, 2, 4).getTime(), now)).toBe("Mar 4");
    expect(english.when(new Date(2024, 2, 4).getTime(), now)).toBe("Mar 4, 2024");
    expect(chinese.when(new Date(2024, 2, 4).getTime(), now)).toBe("2024年3月4日");
  });
});

describe("language", () => {
  it("is the chosen one, or the first of the system's that is there", () => {
    expect(resolveLanguage("zh", ["en-GB"])).toBe("zh");
    expect(resolveLanguage("system", ["de", "zh-TW", "en"])).toBe("zh");
    expect(resolveLanguage("system", ["de", "fr"])).toBe("en");
    expect(resolveLanguage("system", [])).toBe("en");
  });
});
