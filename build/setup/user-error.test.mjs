import assert from "node:assert/strict";
import { test } from "node:test";
import { SetupError, checkNode } from "./user-error.mjs";

test("an old Node is refused in words, current ones are taken", () => {
  for (const version of ["20.0.0", "22.14.1", "100.1.0"]) checkNode(version);
  assert.throws(() => checkNode("18.20.4"), /Node 18\.20\.4 is too old/);
});

test("an error without a reason has no empty line", () => {
  assert.equal(new SetupError("Stopped.", "", "Run it again.").message, "Stopped.\n  Run it again.");
});
