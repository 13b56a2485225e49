import { readFileSync, renameSync, writeFileSync } from "node:fs";
import type { z } from "zod";

/** What the shell remembers between starts, such as the window's place. Losing it does no harm, so faults are not reported. */
export interface JsonFile<Value> {
  readonly read: () => Value;
  readonly write: (value: Value) => void;
}

/** A missing or damaged file reads as `fallback`. Writing replaces the file in one step. */
export function jsonFile<Value>(path: string, schema: z.ZodType<Value>, fallback: Value): JsonFile<Value> {
  return {
    read: () => {
      try {
        return schema.parse(JSON.parse(readFileSync(path, "utf8")));
      } catch {
        return fallback;
      }
    },
    write: (value) => {
      try {
        writeFileSync(`${path}.new`, JSON.stringify(value));
        renameSync(`${path}.new`, path);
      } catch {
        // A full or read-only disk: next time the window opens in its usual place.
      }
    },
  };
}
