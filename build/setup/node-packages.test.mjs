import assert from "node:assert/strict";
import { test } from "node:test";
import { holdsEverything, parseNpmLine } from "./node-packages.mjs";

const machine = { platform: "linux", arch: "x64" };
const binding = { version: "1.0.0", integrity: "sha512-b", optional: true, os: ["linux"], cpu: ["x64"] };
const otherBinding = { version: "1.0.0", integrity: "sha512-o", optional: true, os: ["darwin"], cpu: ["arm64"] };
const wanted = text({ "": { version: "0.1.0" }, "node_modules/a": { version: "1.0.0", integrity: "sha512-a" }, "node_modules/b": binding, "node_modules/o": otherBinding });

/** @param {Record<string, object>} packages */
function text(packages) {
  return JSON.stringify({ lockfileVersion: 3, packages });
}

test("npm's record of the same packages is complete, whatever optional ones other machines need", () => {
  const installed = text({ "node_modules/a": { version: "1.0.0", integrity: "sha512-a" }, "node_modules/b": binding });
  assert.ok(holdsEverything(wanted, installed, machine));
});

test("no record, a damaged one, a missing package, another version or other bytes are not", () => {
  assert.ok(!holdsEverything(wanted, null, machine));
  assert.ok(!holdsEverything(wanted, '{"packages": {', machine));
  assert.ok(!holdsEverything(wanted, text({ "node_modules/b": binding }), machine));
  assert.ok(!holdsEverything(wanted, text({ "node_modules/a": { version: "1.0.1", integrity: "sha512-a" } }), machine));
  assert.ok(!holdsEverything(wanted, text({ "node_modules/a": { version: "1.0.0", integrity: "sha512-x" } }), machine));
});

test("a folder that came from another kind of machine is not", () => {
  const installed = text({ "node_modules/a": { version: "1.0.0", integrity: "sha512-a" }, "node_modules/o": otherBinding });
  assert.ok(!holdsEverything(wanted, installed, machine));
});

test("npm's lines are read: downloads are counted, errors kept, its own log left out", () => {
  assert.deepEqual(parseNpmLine("npm http fetch GET 200 https://registry.npmjs.org/zod/-/zod-4.6.7.tgz 12ms (cache miss)"), { kind: "fetched" });
  assert.equal(parseNpmLine("npm http fetch GET 200 https://registry.npmjs.org/zod 12ms"), null);
  assert.deepEqual(parseNpmLine("npm error network request failed"), { kind: "error", text: "network request failed" });
  assert.equal(parseNpmLine("npm error A complete log of this run can be found in: /x"), null);
  assert.equal(parseNpmLine("npm error code E404"), null);
  assert.equal(parseNpmLine("npm error     at ClientRequest.<anonymous> (/usr/lib/x.js:130:14)"), null);
  assert.equal(parseNpmLine("added 3 packages"), null);
});
