/** A fault the reader can mend: what happened, why, and what to do. Printed without a stack trace. */
export class SetupError extends Error {
  /**
   * @param {string} what
   * @param {string} why
   * @param {string} hint
   */
  constructor(what, why, hint) {
    super([what, why, hint].filter(Boolean).join("\n  "));
    this.name = "SetupError";
  }
}

const OLDEST_NODE = 20;

/**
 * @param {string} version such as `20.11.1`
 * @throws {SetupError} when this Node lacks what the scripts use
 */
export function checkNode(version) {
  if (Number(version.split(".")[0]) >= OLDEST_NODE) return;
  throw new SetupError(`Node ${version} is too old.`, `The scripts need Node ${OLDEST_NODE} or newer.`, "Install a newer one, for example from nodejs.org.");
}

/**
 * Run a script's main function; a SetupError is printed as a sentence, anything else with its stack.
 * @param {() => Promise<number>} main returns the exit status
 */
export async function runMain(main) {
  try {
    checkNode(process.versions.node);
    process.exitCode = await main();
  } catch (error) {
    console.error(error instanceof SetupError ? `\nError: ${error.message}` : error);
    process.exitCode = 1;
  }
}
