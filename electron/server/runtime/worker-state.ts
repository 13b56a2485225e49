import type { Said } from "../../contract/said.schema.ts";
import { say } from "../common/say.ts";
import { assertNever } from "../../contract/assert-never.ts";
import type { WorkerState } from "../../contract/machine.schema.ts";
import { isSilent, silentSeconds, type Supervision } from "./supervision.ts";

/** The worker as the contract tells it. */
export function workerStateOf(state: Supervision): WorkerState {
  switch (state.status) {
    case "stopped":
    case "stopping":
      return { status: "stopped" };
    case "starting":
      return { status: "starting" };
    case "ready":
      return isSilent(state) ? { status: "busy", doing: silence(state, null), jobId: null } : { status: "ready", model: state.model, engineVersion: state.engineVersion };
    case "busy":
      return { status: "busy", doing: isSilent(state) ? silence(state, state.doing) : state.doing, jobId: state.jobId };
    case "restarting":
      return { status: "restarting", attempt: state.attempt, fault: state.fault };
    case "failed":
      return { status: "failed", fault: state.fault };
    default:
      return assertNever(state);
  }
}

function silence(state: Supervision, last: Said | null): Said {
  const seconds = silentSeconds(state);
  return last === null ? say("WORKER_SILENT", "No sign of life for {seconds} seconds.", { seconds }) : say("WORKER_SILENT_AT", "No sign of life for {seconds} seconds. Last: {doing}", { seconds, doing: last.text });
}
