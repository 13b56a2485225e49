import { expect, it } from "vitest";
import { hasPhrase, togglePhrase } from "./phrases.ts";

it("puts phrases in and takes them out again", () => {
  const first = togglePhrase("", "smiling warmly");
  const second = togglePhrase(first, "in a bright office");
  expect(second).toBe("smiling warmly, in a bright office");
  expect(togglePhrase(second, "smiling warmly")).toBe("in a bright office");
  expect(togglePhrase(second, "in a bright office")).toBe("smiling warmly");
  expect(togglePhrase(first, "smiling warmly")).toBe("");
});

it("goes on from what the user wrote", () => {
  expect(togglePhrase("A woman speaks. ", "soft window light")).toBe("A woman speaks, soft window light");
  expect(togglePhrase("A woman, soft window light, cartoon style.", "soft window light")).toBe("A woman, cartoon style.");
  expect(togglePhrase("A woman, cartoon style.", "cartoon style")).toBe("A woman.");
});

it("separates Chinese with its own comma", () => {
  const text = togglePhrase(togglePhrase("", "一位老师"), "在书房里");
  expect(text).toBe("一位老师，在书房里");
  expect(togglePhrase(text, "一位老师")).toBe("在书房里");
});

it("finds phrases whatever their capitals", () => {
  expect(hasPhrase("Smiling Warmly at us", "smiling warmly")).toBe(true);
  expect(hasPhrase("", "smiling warmly")).toBe(false);
});
