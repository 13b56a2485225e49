import type { Said } from "../../contract/said.schema.ts";
import { say } from "./say.ts";

/** What a worker is said to do of which nothing has been heard for a while; `last` is what it told before. */
export function silence(seconds: number, last: Said | null): Said {
  return last === null ? say("WORKER_SILENT", "No sign of life for {seconds} seconds.", { seconds }) : say("WORKER_SILENT_AT", "No sign of life for {seconds} seconds. Last: {doing}", { seconds, doing: last.text });
}

/** Whether `doing` is that. */
export function tellsSilence(doing: Said): boolean {
  return doing.code === "WORKER_SILENT" || doing.code === "WORKER_SILENT_AT";
}
