import { type Release, releaseSchema } from "../../contract/updates.schema.ts";
import type { Logger } from "../common/logger.ts";

export interface UpdateCheck {
  /** The published version, when it is newer than this one; null also when nobody may ask, or asking failed. One request a run and address. */
  readonly newer: () => Promise<Release | null>;
}

export interface UpdateCheckDependencies {
  readonly version: string;
  /** Null: never ask. */
  readonly address: () => string | null;
  readonly networkAllowed: () => boolean;
  readonly logger: Logger;
}

const PATIENCE_MILLISECONDS = 10_000;
const MOST_BYTES = 64 * 1024;

/** Asks only whoever the user named, only when the network is on, and stays silent when that fails: it is a convenience. */
export function createUpdateCheck({ version, address, networkAllowed, logger }: UpdateCheckDependencies): UpdateCheck {
  const asked = new Map<string, Promise<Release | null>>();
  return {
    newer: async () => {
      const named = address();
      if (named === null || !networkAllowed()) return null;
      let answer = asked.get(named);
      if (answer === undefined) {
        answer = published(named).catch((error: unknown) => {
          logger.info("the update check did not succeed", { error });
          return null;
        });
        asked.set(named, answer);
      }
      const release = await answer;
      return release !== null && isNewer(release.version, version) ? release : null;
    },
  };
}

/** Throws when the address does not answer in time with a small file of that form. */
async function published(address: string): Promise<Release> {
  // Nothing is sent that tells who asks.
  const response = await fetch(address, { signal: AbortSignal.timeout(PATIENCE_MILLISECONDS), redirect: "error", credentials: "omit", referrerPolicy: "no-referrer", headers: { accept: "application/json" } });
  if (!response.ok || response.body === null) throw new Error(`The address answers ${String(response.status)}.`);
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body as AsyncIterable<Uint8Array>) {
    bytes += part.length;
    if (bytes > MOST_BYTES) throw new Error("The answer is too long.");
    parts.push(part);
  }
  return releaseSchema.parse(JSON.parse(Buffer.concat(parts).toString("utf8")));
}

/** Whether one version such as `0.10.0` comes after another; false when this one is not known. */
export function isNewer(one: string, other: string): boolean {
  const [first, second] = [one, other].map((version) => version.split(".").map(Number));
  for (const [index, part] of (first ?? []).entries()) {
    const compared = second?.[index];
    if (compared === undefined || Number.isNaN(compared)) return false;
    if (part !== compared) return part > compared;
  }
  return false;
}
