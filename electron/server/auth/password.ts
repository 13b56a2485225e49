import { randomBytes, scrypt, timingSafeEqual, type ScryptOptions } from "node:crypto";
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { writeJsonAtomically } from "../common/atomic-file.ts";
import { FaultError, systemErrorCode } from "../common/fault-error.ts";

/** A password is needed when the studio is reachable from other machines. Only its scrypt hash is kept. */
export const SHORTEST_PASSWORD = 10;
const LONGEST_PASSWORD = 1_000;
/** 32 MiB and some tenths of a second a guess; what OWASP's password storage cheat sheet recommends. */
const COST = { N: 32_768, r: 8, p: 3 } as const;
const KEY_BYTES = 32;

const hashSchema = z.object({
  algorithm: z.literal("scrypt"),
  N: z.int().min(16_384).max(1_048_576),
  r: z.int().min(8).max(32),
  p: z.int().min(1).max(4),
  salt: z.base64().max(100),
  key: z.base64().max(100),
});
export type PasswordHash = z.infer<typeof hashSchema>;

/** Throws PASSWORD_TOO_SHORT or PASSWORD_TOO_LONG. */
export async function hashPassword(password: string): Promise<PasswordHash> {
  if (password.length < SHORTEST_PASSWORD) {
    throw new FaultError({ code: "PASSWORD_TOO_SHORT", what: "The password is too short.", why: `Anybody on the network may try to guess it; it needs at least ${String(SHORTEST_PASSWORD)} characters.`, hint: "Choose a longer one: four or five words do well." });
  }
  if (password.length > LONGEST_PASSWORD) throw new FaultError({ code: "PASSWORD_TOO_LONG", what: "The password is too long.", why: `At most ${String(LONGEST_PASSWORD)} characters are possible.`, hint: "Choose a shorter one." });
  const salt = randomBytes(16);
  const key = await derive(password, salt, COST);
  return { algorithm: "scrypt", ...COST, salt: salt.toString("base64"), key: key.toString("base64") };
}

/** Compares in constant time. */
export async function matchesPassword(password: string, hash: PasswordHash): Promise<boolean> {
  if (password.length > LONGEST_PASSWORD) return false;
  const expected = Buffer.from(hash.key, "base64");
  const key = await derive(password, Buffer.from(hash.salt, "base64"), hash);
  return key.length === expected.length && timingSafeEqual(key, expected);
}

export async function storePassword(path: string, hash: PasswordHash): Promise<void> {
  await writeJsonAtomically(path, hash, { mode: 0o600 });
}

/** Null when none was set. Throws PASSWORD_FILE_DAMAGED. */
export async function readPassword(path: string): Promise<PasswordHash | null> {
  try {
    return hashSchema.parse(JSON.parse(await readFile(path, "utf8")));
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return null;
    throw new FaultError({ code: "PASSWORD_FILE_DAMAGED", what: "The stored password cannot be read.", why: "Its file in the data folder is damaged.", hint: "Set a new one with --set-password." }, { cause: error });
  }
}

function derive(password: string, salt: Buffer, cost: Pick<ScryptOptions, "N" | "r" | "p">): Promise<Buffer> {
  const { N = COST.N, r = COST.r, p = COST.p } = cost;
  return new Promise((resolve, reject) => {
    // Typed accents come composed or not, by keyboard and system.
    scrypt(password.normalize("NFKC"), salt, KEY_BYTES, { N, r, p, maxmem: 256 * N * r * p }, (error, key) => (error === null ? resolve(key) : reject(error)));
  });
}
