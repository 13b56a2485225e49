import assert from "node:assert/strict";
import { test } from "node:test";
import { findPython, whyUnsuitable } from "./find-python.mjs";

/**
 * @param {string} version
 * @param {Partial<import("./find-python.mjs").PythonFacts>} rest
 */
function facts(version, rest = {}) {
  return { executable: `/usr/bin/python${version}`, version: version.split(".").map(Number), implementation: "cpython", bits: 64, ...rest };
}

/** @param {Record<string, import("./find-python.mjs").PythonFacts | string>} installed */
function machineWith(installed) {
  return (/** @type {string} */ command) => installed[command] ?? null;
}

test("versions 3.11 to 3.14 are usable, others say why not", () => {
  for (const version of ["3.11.0", "3.12.4", "3.14.1"]) assert.equal(whyUnsuitable(facts(version)), null);
  for (const version of ["3.10.14", "3.15.0", "2.7.18", "4.11.0"]) assert.match(whyUnsuitable(facts(version)) ?? "", /outside 3\.11 to 3\.14/);
  assert.match(whyUnsuitable(facts("3.11.2", { bits: 32 })) ?? "", /32-bit/);
  assert.match(whyUnsuitable(facts("3.11.2", { implementation: "pypy" })) ?? "", /not CPython/);
});

test("the machine's python3 is taken when it fits", () => {
  assert.equal(findPython({}, machineWith({ python3: facts("3.12.1"), "python3.11": facts("3.11.9") })).version[1], 12);
});

test("an old python3 is passed over for a newer one beside it", () => {
  const found = findPython({}, machineWith({ python3: facts("3.9.2"), "python3.11": facts("3.11.9") }));
  assert.deepEqual(found.version, [3, 11, 9]);
});

test("a python3 that lacks standard modules is passed over and named when nothing else fits", () => {
  const broken = "ModuleNotFoundError: No module named 'venv'";
  assert.deepEqual(findPython({}, machineWith({ python3: broken, "python3.13": facts("3.13.0") })).version, [3, 13, 0]);
  assert.throws(() => findPython({}, machineWith({ python3: broken })), /python3: ModuleNotFoundError[^]*AVATAR_STUDIO_PYTHON/);
});

test("without any Python the sentence says what was looked for", () => {
  assert.throws(() => findPython({}, machineWith({})), /No usable Python 3\.11 to 3\.14[^]*Looked for: python3,/);
});

test("AVATAR_STUDIO_PYTHON is the only one considered", () => {
  const machine = machineWith({ python3: facts("3.12.1"), "/opt/old/python": facts("3.8.1") });
  assert.throws(() => findPython({ AVATAR_STUDIO_PYTHON: "/opt/old/python" }, machine), /\/opt\/old\/python: 3\.8\.1 is outside/);
});

test("a real interpreter answers the probe", () => {
  const found = findPython();
  assert.equal(whyUnsuitable(found), null);
  assert.ok(found.executable.startsWith("/"));
});
