import { randomBytes } from "node:crypto";
import { digestOf } from "./secret-digest.ts";

/** Tokens that open the page once. Only their digests are kept. */
export interface OneTimeTokens {
  readonly issue: () => string;
  /** True exactly once for a token that is not too old. */
  readonly redeem: (token: string) => boolean;
}

/** Enough for every window and link somebody could have asked for; the oldest go first. */
const MOST_TOKENS = 100;

/** `now` counts milliseconds and never goes back, so that a change of the clock neither ends nor prolongs a token. */
export function createOneTimeTokens(lifetimeMilliseconds: number, now: () => number): OneTimeTokens {
  const expiry = new Map<string, number>();
  return {
    issue: () => {
      const token = randomBytes(32).toString("base64url");
      expiry.set(digestOf(token), now() + lifetimeMilliseconds);
      for (const [digest, end] of expiry) if (end <= now() || expiry.size > MOST_TOKENS) expiry.delete(digest);
      return token;
    },
    redeem: (token) => {
      const digest = digestOf(token);
      const end = expiry.get(digest);
      expiry.delete(digest);
      return end !== undefined && now() < end;
    },
  };
}
