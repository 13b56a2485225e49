import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { demoArguments } from "./demo-arguments.mjs";

let root = "";

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "avatar-studio-demo-"));
  mkdirSync(join(root, "resources", "models", "demo"), { recursive: true });
  for (const [name, voice] of [["berta", "voice.wav"], ["anton", "voice.ogg"]]) {
    const folder = join(root, "resources", "examples", name);
    mkdirSync(folder, { recursive: true });
    for (const file of ["portrait.png", voice]) writeFileSync(join(folder, file), "");
    writeFileSync(join(folder, "prompt.txt"), `${name} smiles\n`);
  }
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

/**
 * @param {string[]} args
 * @param {string} flag
 */
function valueOf(args, flag) {
  return args[args.indexOf(flag) + 1];
}

test("without arguments the first example is rendered to output/demo.mp4", () => {
  const { args, output } = demoArguments(root, []);
  assert.equal(args[0], "generate");
  assert.equal(valueOf(args, "--image"), join(root, "resources", "examples", "anton", "portrait.png"));
  assert.equal(valueOf(args, "--audio"), join(root, "resources", "examples", "anton", "voice.ogg"));
  assert.equal(valueOf(args, "--prompt"), "anton smiles");
  assert.equal(valueOf(args, "--ckpt_dir"), join(root, "resources", "models", "demo"));
  assert.equal(output, join(root, "output", "demo.mp4"));
  assert.equal(valueOf(args, "--save_file"), output);
});

test("an example is chosen by name in both spellings and is not passed on", () => {
  for (const extra of [["--example", "berta", "--sample_steps", "3"], ["--example=berta", "--sample_steps", "3"]]) {
    const { args } = demoArguments(root, extra);
    assert.equal(valueOf(args, "--prompt"), "berta smiles");
    assert.deepEqual(args.slice(-2), ["--sample_steps", "3"]);
    assert.ok(!args.join(" ").includes("--example"));
  }
});

test("the caller's output file is the one reported", () => {
  assert.equal(demoArguments(root, ["--save_file", "a.mp4"]).output, "a.mp4");
  assert.equal(demoArguments(root, ["--save-file=b.mp4"]).output, "b.mp4");
});

test("an unknown example is refused with the names there are", () => {
  assert.throws(() => demoArguments(root, ["--example", "nobody"]), /nobody[^]*anton, berta/);
  assert.throws(() => demoArguments(root, ["--example"]), /called ""[^]*anton, berta/);
});

test("a missing model, recording or example folder is said in words", () => {
  rmSync(join(root, "resources", "examples", "anton", "voice.ogg"));
  assert.throws(() => demoArguments(root, []), /anton has no recording/);
  rmSync(join(root, "resources", "models"), { recursive: true });
  assert.throws(() => demoArguments(root, []), /demo model is missing/);
  rmSync(join(root, "resources", "examples"), { recursive: true });
  assert.throws(() => demoArguments(root, []), /examples are missing/);
});
