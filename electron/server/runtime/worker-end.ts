import type { Fault } from "../../contract/fault.schema.ts";
import type { ProgramEnd } from "../common/child-process.ts";

/** Status that a worker ends with after its card was lost (live_avatar/worker/main.py). */
const DEVICE_LOST_STATUS = 4;

/** Why a worker ended without being asked, in words. `lastWords` is the end of its log. */
export function faultOfEnd(end: ProgramEnd, lastWords: string): Fault {
  const seeLog = "It is started again; finished clips are kept. The engine's log has the details.";
  if (end.signal === "SIGKILL") {
    return { code: "ENGINE_KILLED", what: "The engine was ended from outside.", why: "The system or another program killed it. Systems do so when the memory runs out.", hint: "It is started again; finished clips are kept. If it repeats, use a smaller size or close other programs.", field: null };
  }
  if (end.code === DEVICE_LOST_STATUS) {
    return { code: "DEVICE_LOST", what: "The graphics card stopped working.", why: "Its driver reported a fault that the engine cannot go on after.", hint: "The engine is started again; finished clips are kept. If it repeats, look at the card's temperature, power and driver.", field: null };
  }
  const how = end.signal !== null ? `It ended by the signal ${end.signal}` : `It ended with status ${String(end.code)}`;
  const said = lastLine(lastWords);
  return { code: "ENGINE_ENDED", what: "The engine ended unexpectedly.", why: said === null ? `${how}.` : `${how}. Its last words: ${said}`, hint: seeLog, field: null };
}

function lastLine(text: string): string | null {
  const lines = text.split("\n").map((line) => line.trim());
  const last = lines.filter((line) => line !== "").at(-1);
  return last === undefined ? null : last.slice(0, 300);
}
