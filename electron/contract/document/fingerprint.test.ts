import { describe, expect, it, vi } from "vitest";
import { fingerprint, murmurHash3 } from "./fingerprint.ts";

// Many random cases, on machines that do other things as well.
vi.setConfig({ testTimeout: 60_000 });

describe("fingerprint", () => {
  // Published test values of MurmurHash3_x86_32.
  it.each([
    ["", 0, 0],
    ["", 1, 0x514e28b7],
    ["", 0xffffffff, 0x81f16f39],
    ["a", 0x9747b28c, 0x7fa09ea6],
    ["aa", 0x9747b28c, 0x5d211726],
    ["aaa", 0x9747b28c, 0x283e0130],
    ["aaaa", 0x9747b28c, 0x5a97808a],
    ["abcd", 0x9747b28c, 0xf0478627],
    ["Hello, world!", 0x9747b28c, 0x24884cba],
    ["The quick brown fox jumps over the lazy dog", 0x9747b28c, 0x2fa826cd],
  ])("hashes %j with seed %i", (text, seed, hash) => {
    expect(murmurHash3(text, [1, seed, seed])).toEqual([murmurHash3(text, [1])[0], hash, hash]);
  });

  it("names a hundred thousand similar texts apart", () => {
    const names = new Set<string>();
    for (let index = 0; index < 100_000; index += 1) names.add(fingerprint(`begin ${index} 0 ${index % 7}`));
    expect(names.size).toBe(100_000);
    expect(fingerprint("x")).toMatch(/^\d+-\d+-\d+-\d+$/);
  });
});
