import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { SetupError } from "./setup/user-error.mjs";

const AUDIO_ENDINGS = ["wav", "flac", "ogg", "mp3", "m4a"];

/**
 * The command line of the demo: the shipped model with one shipped example; whatever the caller adds comes last and wins.
 * @param {string} root checkout
 * @param {string[]} extra arguments after `npm run demo --`
 * @returns {{ args: string[], output: string }} arguments of `live-avatar`, and where the video goes
 * @throws {SetupError} when the example or the model is not there
 */
export function demoArguments(root, extra) {
  const { example: wanted, rest } = takeExample(extra);
  const examples = join(root, "resources", "examples");
  const model = join(root, "resources", "models", "demo");
  const names = existsSync(examples) ? readdirSync(examples).filter((name) => existsSync(join(examples, name, "portrait.png"))).sort() : [];
  const name = wanted ?? names[0];
  if (name === undefined || !names.includes(name)) {
    throw new SetupError(
      name === undefined ? "The demo's examples are missing." : `There is no example called "${name}".`,
      names.length > 0 ? `There are: ${names.join(", ")}.` : `Looked in ${examples}.`,
      names.length > 0 ? "Name one of these with --example." : "Get a complete copy of the repository.",
    );
  }
  if (!existsSync(model)) throw new SetupError("The demo model is missing.", `Looked in ${model}.`, "Get a complete copy of the repository.");

  const folder = join(examples, name);
  const voice = AUDIO_ENDINGS.map((ending) => join(folder, `voice.${ending}`)).find(existsSync);
  if (voice === undefined) throw new SetupError(`The example ${name} has no recording.`, `Looked for voice.wav and the like in ${folder}.`, "Get a complete copy of the repository.");
  const output = givenOutput(rest) ?? join(root, "output", "demo.mp4");
  const args = [
    "generate",
    "--ckpt_dir", model,
    "--image", join(folder, "portrait.png"),
    "--audio", voice,
    "--prompt", readFileSync(join(folder, "prompt.txt"), "utf8").trim(),
    "--size", "384*256",
    "--base_seed", "420",
    "--save_file", output,
    "--overwrite",
    ...rest,
  ];
  return { args, output };
}

/**
 * @param {string[]} extra
 * @returns {{ example: string | undefined, rest: string[] }}
 */
function takeExample(extra) {
  const at = extra.findIndex((argument) => argument === "--example" || argument.startsWith("--example="));
  if (at < 0) return { example: undefined, rest: extra };
  const inline = extra[at].split("=")[1];
  return { example: inline ?? extra[at + 1] ?? "", rest: [...extra.slice(0, at), ...extra.slice(at + (inline === undefined ? 2 : 1))] };
}

/**
 * The output file the caller asked for, if any.
 * @param {string[]} args
 */
function givenOutput(args) {
  for (const [index, argument] of args.entries()) {
    const match = /^--save[_-]file(?:=(.*))?$/.exec(argument);
    if (match) return match[1] ?? args[index + 1];
  }
  return undefined;
}
