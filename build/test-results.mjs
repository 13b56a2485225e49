/**
 * Outcome of one suite or of all together.
 * @typedef {{ passed: number, failed: number, skipped: number }} Counts
 */

/** @param {Counts[]} all */
export function sum(all) {
  return all.reduce(
    (total, one) => ({ passed: total.passed + one.passed, failed: total.failed + one.failed, skipped: total.skipped + one.skipped }),
    { passed: 0, failed: 0, skipped: 0 },
  );
}

/**
 * The closing line of a run.
 * @param {Counts} counts
 */
export function closingLine({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

/**
 * A suite that could not run.
 * @type {Counts}
 */
export const failure = { passed: 0, failed: 1, skipped: 0 };

/**
 * A command that is one test: it passes when it ends with status 0.
 * @param {number} status
 * @returns {Counts}
 */
export function fromStatus(status) {
  return status === 0 ? { passed: 1, failed: 0, skipped: 0 } : { passed: 0, failed: 1, skipped: 0 };
}

/**
 * A runner that ended badly without naming a failed test (a crash, no tests found) counts as one failure.
 * @param {Counts} counts
 * @param {number} status exit status of the runner
 * @returns {Counts}
 */
export function withStatus(counts, status) {
  const nothingRan = counts.passed + counts.failed === 0;
  return counts.failed === 0 && (status !== 0 || nothingRan) ? { ...counts, failed: 1 } : counts;
}

/**
 * Counts of a JUnit XML report as pytest writes it.
 * @param {string | null} xml null when the runner died before writing it
 * @returns {Counts}
 */
export function fromJunit(xml) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const [tag] of (xml ?? "").matchAll(/<testsuite\s[^>]*>/g)) {
    const number = (/** @type {string} */ name) => Number(new RegExp(`\\s${name}="(\\d+)"`).exec(tag)?.[1] ?? 0);
    const failed = number("failures") + number("errors");
    counts.failed += failed;
    counts.skipped += number("skipped");
    counts.passed += number("tests") - failed - number("skipped");
  }
  return counts;
}

/**
 * Counts of a TAP report as `node --test` writes it.
 * @param {string | null} tap null when the runner died before writing it
 * @returns {Counts}
 */
export function fromTap(tap) {
  const number = (/** @type {string} */ name) => Number(new RegExp(`^# ${name} (\\d+)$`, "m").exec(tap ?? "")?.[1] ?? 0);
  return { passed: number("pass"), failed: number("fail") + number("cancelled"), skipped: number("skipped") + number("todo") };
}
