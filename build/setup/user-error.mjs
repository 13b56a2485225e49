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

/**
 * Run a script's main function; a SetupError is printed as a sentence, anything else with its stack.
 * @param {() => Promise<number>} main returns the exit status
 */
export async function runMain(main) {
  try {
    process.exitCode = await main();
  } catch (error) {
    console.error(error instanceof SetupError ? `\nError: ${error.message}` : error);
    process.exitCode = 1;
  }
}
