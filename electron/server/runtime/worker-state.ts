import { silence } from "../common/silence.ts";
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
      return isSilent(state) ? { status: "busy", doing: silence(silentSeconds(state), null), jobId: null } : { status: "ready", model: state.model, engineVersion: state.engineVersion };
    case "busy":
      return { status: "busy", doing: isSilent(state) ? silence(silentSeconds(state), state.doing) : state.doing, jobId: state.jobId };
    case "restarting":
      return { status: "restarting", attempt: state.attempt, fault: state.fault };
    case "failed":
      return { status: "failed", fault: state.fault };
    default:
      return assertNever(state);
  }
}
