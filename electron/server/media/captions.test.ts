import { expect, test } from "vitest";
import { captionsOf } from "./captions.ts";

const marker = (frame: number, label: string) => ({ id: String(frame), frame, label });

test("each marker's words last to the next marker or the end", () => {
  const markers = [marker(75, "Second"), marker(0, "First"), marker(150, ""), marker(90_000, "In an hour")];
  expect(captionsOf(markers, { start: 0, end: 90_025 })).toBe("1\n00:00:00,000 --> 00:00:03,000\nFirst\n\n2\n00:00:03,000 --> 00:00:06,000\nSecond\n\n3\n01:00:00,000 --> 01:00:01,000\nIn an hour\n");
});

test("times count from the range, and what lies outside is left out", () => {
  expect(captionsOf([marker(0, "A"), marker(50, "B"), marker(100, "C")], { start: 25, end: 75 })).toBe("1\n00:00:00,000 --> 00:00:01,000\nA\n\n2\n00:00:01,000 --> 00:00:02,000\nB\n");
  expect(captionsOf([marker(0, "A")], { start: 0, end: 0 })).toBe("");
});

test("words cannot break the file's form", () => {
  expect(captionsOf([marker(0, "one\n\n2\r\n00:00:00,000 --> 00:01:00,000\u2028last ")], { start: 0, end: 25 })).toBe("1\n00:00:00,000 --> 00:00:01,000\none\n2\n00:00:00,000 --> 00:01:00,000\nlast\n");
});
