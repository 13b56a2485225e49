import { join } from "node:path";
import { hashPassword, type PasswordHash, readPassword, storePassword } from "./auth/password.ts";
import { FaultError } from "./common/fault-error.ts";
import { askSecret, isInteractive, say } from "./terminal.ts";

const passwordPath = (dataFolder: string): string => join(dataFolder, "password.json");

/** `--set-password`: asked twice, or taken from the environment. Throws PASSWORD_TOO_SHORT, PASSWORD_TOO_LONG or PASSWORDS_DIFFER. */
export async function setPassword(dataFolder: string, environment: NodeJS.ProcessEnv): Promise<void> {
  const given = environment.AVATAR_STUDIO_PASSWORD;
  const password = given ?? (await askSecret("New password: "));
  const hash = await hashPassword(password);
  if (given === undefined && isInteractive() && (await askSecret("Once more: ")) !== password) {
    throw new FaultError({ code: "PASSWORDS_DIFFER", what: "The password was not set.", why: "The two lines differ.", hint: "Try again." });
  }
  await storePassword(passwordPath(dataFolder), hash);
  say("The password is set. It holds from the next start on.");
}

/** The password of this run, from the environment or the data folder; null when there is none. */
export async function passwordOfRun(dataFolder: string, environment: NodeJS.ProcessEnv): Promise<PasswordHash | null> {
  const given = environment.AVATAR_STUDIO_PASSWORD;
  return given === undefined || given === "" ? readPassword(passwordPath(dataFolder)) : hashPassword(given);
}
