import { createORPCClient, ORPCError } from "@orpc/client";
import { RPCLink } from "@orpc/client/websocket";
import type { ContractRouterClient } from "@orpc/contract";
import { once } from "node:events";
import { WebSocket } from "ws";
import { type Fault, faultSchema } from "../../electron/contract/fault.schema.ts";
import type { Contract } from "../../electron/contract/rpc.ts";

/** A page without a browser: inside the studio, over the same HTTP and WebSocket. */
export interface StudioClient {
  readonly rpc: ContractRouterClient<Contract>;
  readonly origin: string;
  readonly cookie: string;
  /** `fetch` with the session's cookie and our origin. */
  readonly fetch: (path: string, init?: RequestInit) => Promise<Response>;
  /** Sends a file as the page would; answers its upload id. */
  readonly upload: (name: string, content: Uint8Array<ArrayBuffer>) => Promise<string>;
  readonly close: () => void;
}

/** Enters with a one-time link. */
export async function connectTo(link: string): Promise<StudioClient> {
  const { origin } = new URL(link);
  const cookie = await sessionCookieOf(link);
  const socket = await openSocket(origin, cookie);
  const authorized = (path: string, init: RequestInit = {}): Promise<Response> => fetch(origin + path, { redirect: "manual", ...init, headers: { ...(init.headers as Record<string, string> | undefined), cookie, origin } });
  return {
    rpc: createORPCClient(new RPCLink({ websocket: socket })),
    origin,
    cookie,
    fetch: authorized,
    upload: async (name, content) => {
      const response = await authorized(`/upload?name=${encodeURIComponent(name)}`, { method: "PUT", body: content });
      const answer = (await response.json()) as { readonly uploadId?: string };
      if (answer.uploadId === undefined) throw new Error(`Not uploaded: ${JSON.stringify(answer)}`);
      return answer.uploadId;
    },
    close: () => socket.terminate(),
  };
}

/** The session's cookie, as the browser would send it back. */
export async function sessionCookieOf(link: string): Promise<string> {
  const response = await fetch(link, { redirect: "manual" });
  await response.body?.cancel();
  const cookie = response.headers.get("set-cookie")?.split(";")[0];
  if (cookie === undefined) throw new Error(`The link does not open the studio: ${String(response.status)}`);
  return cookie;
}

export async function openSocket(origin: string, cookie: string): Promise<WebSocket> {
  const socket = new WebSocket(`${origin.replace("http", "ws")}/rpc`, { headers: { cookie, origin } });
  await once(socket, "open");
  return socket;
}

/** The fault a call is refused with; throws when it is not refused, or in another way. */
export async function faultOfCall(call: Promise<unknown>): Promise<Fault> {
  const outcome = await call.then(
    (value) => ({ refused: false as const, value }),
    (error: unknown) => ({ refused: true as const, error }),
  );
  if (!outcome.refused) throw new Error(`Not refused: ${JSON.stringify(outcome.value)}`);
  if (outcome.error instanceof ORPCError && outcome.error.code === "FAULT" && outcome.error.defined) return faultSchema.parse(outcome.error.data);
  throw new Error("Refused without a fault", { cause: outcome.error });
}
