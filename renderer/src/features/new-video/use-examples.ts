import { client } from "../../rpc/client.ts";
import { type CallState, useCall } from "../../rpc/use-call.ts";

export type Example = Awaited<ReturnType<typeof client.projects.examples>>[number];

/** The examples that come with the program. */
export function useExamples(): CallState<readonly Example[]> {
  return useCall("examples", (signal) => client.projects.examples(undefined, { signal, context: { retry: Number.POSITIVE_INFINITY } })).state;
}
