import { client } from "../../rpc/client.ts";
import { useLatest } from "../../rpc/stream.ts";
import { runtime } from "../../rpc/streams.ts";
import { type CallState, useCall } from "../../rpc/use-call.ts";

export type Example = Awaited<ReturnType<typeof client.projects.examples>>[number];

/** The examples that come with the program. They are described with the engine's media tools: asked for again when an engine comes. */
export function useExamples(): CallState<readonly Example[]> {
  const engine = useLatest(runtime)?.current?.folder ?? "";
  return useCall(`examples ${engine}`, (signal) => client.projects.examples(undefined, { signal, context: { retry: Number.POSITIVE_INFINITY } })).state;
}
