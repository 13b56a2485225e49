/** A copy of a project's file from an earlier moment. */
export interface Backup {
  /** Order in which they were made; clocks can be set back. */
  readonly sequence: number;
  /** Milliseconds since 1970. */
  readonly at: number;
}

const NEWEST_KEPT = 10;
const MOST_KEPT = 60;
const HOUR = 60 * 60 * 1000;
const DAY = 24 * HOUR;

/**
 * Which backups to delete: kept are the newest ten, then the newest of each hour of the last day and of each day of the last month;
 * never more than sixty.
 */
export function backupsToDelete<B extends Backup>(backups: readonly B[], now: number): readonly B[] {
  const newestFirst = backups.toSorted((one, other) => other.sequence - one.sequence);
  const periods = new Set<string>();
  const kept = newestFirst.filter((backup, index) => {
    if (index < NEWEST_KEPT) return true;
    const period = periodOf(backup.at, now);
    if (period === null || periods.has(period)) return false;
    periods.add(period);
    return true;
  });
  const keep = new Set(kept.slice(0, MOST_KEPT));
  return backups.filter((backup) => !keep.has(backup));
}

/** The span of time of which one backup is enough; null when it is too long ago. Times after now, from before a change of the clock, count as now. */
function periodOf(at: number, now: number): string | null {
  const age = Math.max(0, now - at);
  if (age < DAY) return `hour ${String(Math.floor(Math.min(at, now) / HOUR))}`;
  return age < 31 * DAY ? `day ${String(Math.floor(at / DAY))}` : null;
}
