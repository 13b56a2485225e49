import assert from "node:assert/strict";
import { test } from "node:test";
import { whyNoWindow } from "./electron-choice.mjs";

const good = { platform: "linux", display: true, root: false, userNamespaces: true, browserWanted: false };

test("a desktop gets a window", () => {
  assert.equal(whyNoWindow(good), null);
  assert.equal(whyNoWindow({ ...good, platform: "darwin", display: false }), null);
  assert.equal(whyNoWindow({ ...good, platform: "win32", display: false }), null);
});

test("without a screen, for root, or where the sandbox cannot work, the reason is said", () => {
  assert.match(whyNoWindow({ ...good, display: false }) ?? "", /no screen/);
  assert.match(whyNoWindow({ ...good, root: true }) ?? "", /\broot\b/);
  assert.match(whyNoWindow({ ...good, userNamespaces: false }) ?? "", /apparmor_restrict/);
  assert.equal(whyNoWindow({ ...good, browserWanted: true }), "as asked");
});
