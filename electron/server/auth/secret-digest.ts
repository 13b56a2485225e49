import { createHash } from "node:crypto";

/** What is kept of a random secret. Looking up a digest leaks nothing useful through its timing: nobody can choose digests. */
export function digestOf(secret: string): string {
  return createHash("sha256").update(secret).digest("base64url");
}
