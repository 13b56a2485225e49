import { createAttempts } from "./attempts.ts";
import { createOneTimeTokens } from "./one-time-tokens.ts";
import { matchesPassword, type PasswordHash } from "./password.ts";
import { type Sessions } from "./sessions.ts";

/** Who may use the studio. */
export interface Access {
  /** A token for a link that works once. */
  readonly issueToken: () => string;
  /** A session id for the cookie, or null when the token is used, too old or made up. */
  readonly enterWithToken: (token: string) => Promise<string | null>;
  readonly enterWithPassword: (password: string, address: string) => Promise<PasswordOutcome>;
  readonly isInside: (sessionId: string | null) => boolean;
  /** Whether there is a password to log in with. */
  readonly hasPassword: boolean;
}

export type PasswordOutcome = { readonly kind: "inside"; readonly sessionId: string } | { readonly kind: "wrong" } | { readonly kind: "wait"; readonly seconds: number };

/** Long enough to start the server in the evening and open the link in the morning. */
const TOKEN_MILLISECONDS = 24 * 60 * 60 * 1000;

export function createAccess(dependencies: { readonly sessions: Sessions; readonly password: PasswordHash | null }): Access {
  const monotonic = (): number => performance.now();
  const tokens = createOneTimeTokens(TOKEN_MILLISECONDS, monotonic);
  const attempts = createAttempts(monotonic);
  const { sessions, password } = dependencies;
  return {
    issueToken: tokens.issue,
    enterWithToken: async (token) => (tokens.redeem(token) ? sessions.open() : null),
    enterWithPassword: async (typed, address) => {
      if (password === null) return { kind: "wrong" };
      const seconds = attempts.begin(address);
      if (seconds > 0) return { kind: "wait", seconds };
      if (!(await matchesPassword(typed, password))) return { kind: "wrong" };
      attempts.succeed(address);
      return { kind: "inside", sessionId: await sessions.open() };
    },
    isInside: (sessionId) => sessionId !== null && sessions.isOpen(sessionId),
    hasPassword: password !== null,
  };
}
