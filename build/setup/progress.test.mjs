import assert from "node:assert/strict";
import { test } from "node:test";
import { Progress } from "./progress.mjs";

/** @param {boolean} isTTY */
function record(isTTY) {
  let text = "";
  const stream = { isTTY, columns: 40, write: (/** @type {string} */ part) => { text += part; return true; } };
  const progress = new Progress(/** @type {NodeJS.WriteStream} */ (/** @type {unknown} */ (stream)));
  progress.step("installing");
  progress.detail(`${"x".repeat(60)}`);
  progress.note("slow mirror");
  progress.done("ready");
  return text;
}

test("away from a terminal each step is one line and details are left out", () => {
  assert.equal(record(false), "Set-up: installing\nSet-up: slow mirror\nSet-up: ready\n");
});

test("on a terminal one line is redrawn and never wraps", () => {
  const text = record(true);
  for (const part of text.split(/\r\x1b\[K|\n/)) assert.ok(part.length < 40, part);
  assert.ok(text.includes("\r\x1b[KSet-up: installing: xxx"));
  assert.ok(text.endsWith("\r\x1b[KSet-up: ready\n"));
});
