import { createORPCClient, ORPCError } from "@orpc/client";
import { ClientRetryPlugin, type ClientRetryPluginContext } from "@orpc/client/plugins";
import { RPCLink } from "@orpc/client/websocket";
import type { ContractRouterClient } from "@orpc/contract";
import { WebSocket as ReconnectingSocket } from "partysocket";
import { createStore, type StoreApi } from "zustand/vanilla";
import { rpcAddress } from "../../../electron/contract/addresses.ts";
import type { Fault } from "../../../electron/contract/fault.schema.ts";
import type { Contract } from "../../../electron/contract/rpc.ts";

export type StudioClient = ContractRouterClient<Contract, ClientRetryPluginContext>;

/** `connecting` only before the first connection; afterwards a lost connection is `lost` until it is back. */
export type ConnectionState = { readonly kind: "connecting" } | { readonly kind: "open" } | { readonly kind: "lost"; readonly since: number };

export const connection: StoreApi<{ readonly state: ConnectionState }> = createStore(() => ({ state: { kind: "connecting" } }));

const FASTEST_RETRY_MILLISECONDS = 300;
const SLOWEST_RETRY_MILLISECONDS = 4_000;

const socket = new ReconnectingSocket(
  () => {
    const address = new URL(rpcAddress, window.location.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    return address.href;
  },
  undefined,
  {
    startClosed: true,
    minReconnectionDelay: FASTEST_RETRY_MILLISECONDS,
    maxReconnectionDelay: SLOWEST_RETRY_MILLISECONDS,
    // Requests made while the line is down would otherwise pile up and all run, late, when it is back.
    maxEnqueuedMessages: 100,
  },
);

/**
 * The studio server, typed by the contract. Streams go on by themselves after a lost connection (`rpc/stream.ts`);
 * other calls fail with `CONNECTION_LOST`, since the page cannot know whether they were carried out.
 */
export const client: StudioClient = createORPCClient(
  new RPCLink<ClientRetryPluginContext>({
    // Its ready states are the standard ones; its types only say `number`.
    websocket: socket as Pick<WebSocket, "addEventListener" | "removeEventListener" | "send" | "readyState">,
    plugins: [new ClientRetryPlugin({ default: { retryDelay: FASTEST_RETRY_MILLISECONDS, shouldRetry: ({ error }) => !isRefusal(error) } })],
  }),
);

/** Opens the connection; once, when the program starts. */
export function connect(): void {
  socket.addEventListener("open", () => connection.setState({ state: { kind: "open" } }));
  socket.addEventListener("close", () => {
    if (connection.getState().state.kind === "open") connection.setState({ state: { kind: "lost", since: performance.now() } });
  });
  socket.reconnect();
}

/** Tries at once instead of waiting for the next attempt. */
export function reconnectNow(): void {
  socket.reconnect();
}

/** The server understood the call and said no: asking again changes nothing. */
function isRefusal(error: unknown): boolean {
  return error instanceof ORPCError;
}

function isFault(value: unknown): value is Fault {
  return typeof value === "object" && value !== null && "code" in value && "what" in value && "why" in value && "hint" in value;
}

/** A failure made in the page itself. `FaultNote` shows it in the user's language, by its code. */
export function pageFault(code: string, field: string | null = null): Fault {
  return { code, what: "", why: "", hint: "", field };
}

/** Any error as something the user can read. */
export function faultOf(error: unknown): Fault {
  if (error instanceof ORPCError) {
    const data: unknown = error.data;
    if (isFault(data)) return data;
    return { code: "REFUSED_BY_SERVER", what: "", why: error.message, hint: "", field: null };
  }
  if (isFault(error)) return error;
  if (connection.getState().state.kind !== "open") return pageFault("CONNECTION_LOST");
  return { code: "UNEXPECTED", what: "", why: error instanceof Error ? error.message : String(error), hint: "", field: null };
}
