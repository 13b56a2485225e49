import { byteSize } from "../../../electron/contract/byte-size.ts";

/** Numbers as people of a language write them. Pure: the language is a parameter. */
export interface Formats {
  /** `1.4 GB`, by the thousand as the server says it. */
  readonly bytes: (bytes: number) => string;
  /** About how long: `45 s`, `3 min`, `2 h 5 min`. */
  readonly duration: (seconds: number) => string;
  /** Length of something that plays: `0:42`, `1:02:03`. */
  readonly clock: (seconds: number) => string;
  readonly number: (value: number, fractionDigits?: number) => string;
  /** Phrases beside each other: `float8 weights, steps packed`. */
  readonly list: (phrases: readonly string[]) => string;
  /** From a share of 1. */
  readonly percent: (share: number) => string;
  /** When: the time today, the day this year, the date before. `now` and `at` are milliseconds since 1970. */
  readonly when: (at: number, now: number) => string;
}

export function createFormats(language: string): Formats {
  const percent = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 0 });
  const unit = (name: "second" | "minute" | "hour") => new Intl.NumberFormat(language, { style: "unit", unit: name, unitDisplay: "short", maximumFractionDigits: 0 });
  const [seconds, minutes, hours] = [unit("second"), unit("minute"), unit("hour")];
  const time = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit" });
  const day = new Intl.DateTimeFormat(language, { day: "numeric", month: "short" });
  const date = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", year: "numeric" });
  const list = new Intl.ListFormat(language, { type: "conjunction", style: "narrow" });
  const number = (value: number, fractionDigits = 0) => new Intl.NumberFormat(language, { maximumFractionDigits: fractionDigits }).format(value);

  return {
    number,
    list: (phrases) => list.format(phrases),
    percent: (share) => percent.format(Math.min(1, Math.max(0, share))),
    bytes: (bytes) => {
      const { value, unit: name, fractionDigits } = byteSize(bytes);
      return `${number(value, fractionDigits)} ${name}`;
    },
    duration: (total) => {
      const whole = Math.max(0, Math.round(total));
      if (whole < 60) return seconds.format(whole);
      if (whole < 3600) return minutes.format(Math.round(whole / 60));
      const allMinutes = Math.round(whole / 60);
      const rest = allMinutes % 60;
      const head = hours.format(Math.floor(allMinutes / 60));
      return rest === 0 ? head : `${head} ${minutes.format(rest)}`;
    },
    clock: (total) => {
      const whole = Math.max(0, Math.floor(total));
      const two = (value: number) => String(value).padStart(2, "0");
      const hour = Math.floor(whole / 3600);
      const minute = Math.floor(whole / 60) % 60;
      return hour > 0 ? `${String(hour)}:${two(minute)}:${two(whole % 60)}` : `${String(minute)}:${two(whole % 60)}`;
    },
    when: (at, now) => {
      const [then, today] = [new Date(at), new Date(now)];
      if (then.toDateString() === today.toDateString()) return time.format(then);
      return (then.getFullYear() === today.getFullYear() ? day : date).format(then);
    },
  };
}
