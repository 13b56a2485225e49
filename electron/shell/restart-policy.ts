/** A server that dies more often than this within the window has a fault that starting it again does not mend. */
const MOST_RESTARTS = 3;
const WINDOW_MILLISECONDS = 120_000;
const FIRST_DELAY_MILLISECONDS = 300;

export type RestartDecision = { readonly kind: "restart"; readonly attempt: number; readonly delayMilliseconds: number } | { readonly kind: "give-up" };

/**
 * What to do after the server died.
 * @param deaths times of all deaths so far, this one included, in milliseconds of a clock that only goes forward
 */
export function decideRestart(deaths: readonly number[]): RestartDecision {
  const last = deaths[deaths.length - 1] ?? 0;
  const attempt = deaths.filter((time) => last - time <= WINDOW_MILLISECONDS).length;
  if (attempt > MOST_RESTARTS) return { kind: "give-up" };
  return { kind: "restart", attempt, delayMilliseconds: FIRST_DELAY_MILLISECONDS * 4 ** (attempt - 1) };
}
