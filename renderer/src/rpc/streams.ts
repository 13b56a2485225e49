import { client } from "./client.ts";
import { sharedStream } from "./stream.ts";

/** The streams that several parts of the page look at. */
const latest = <T>(_earlier: T | null, event: T): T => event;

export const jobs = sharedStream((options) => client.jobs.watch(undefined, options), latest);
export const worker = sharedStream((options) => client.system.worker(undefined, options), latest);
export const machine = sharedStream((options) => client.hardware.watch(undefined, options), latest);
export const setupChecks = sharedStream((options) => client.system.setupChecks(undefined, options), latest);
export const runtime = sharedStream((options) => client.runtime.watch(undefined, options), latest);
export const models = sharedStream((options) => client.models.watch(undefined, options), latest);
export const settings = sharedStream((options) => client.settings.watch(undefined, options), latest);
