import { type IncomingMessage } from "node:http";
import { type Duplex } from "node:stream";
import { type Router } from "@orpc/server";
import { StandardRPCHandler } from "@orpc/server/standard";
import { createServerPeerHandleRequestFn } from "@orpc/server/standard-peer";
import { type DecodedRequestMessage, decodeRequestMessage, encodeResponseMessage, experimental_ServerPeerWithoutCodec, MessageType } from "@orpc/standard-server-peer";
import { type RawData, type WebSocket, WebSocketServer } from "ws";
import { type Fault } from "../../contract/fault.schema.ts";
import { type contract } from "../../contract/rpc.ts";
import { type Logger } from "../common/logger.ts";
import { createMessageBudget, type MessageRates } from "./message-budget.ts";
import { refusalOf, withFaults } from "./rpc-faults.ts";

/** One page's connection; handlers get it as their context. */
export interface RpcContext {
  readonly connectionId: number;
}

export interface RpcLimits extends MessageRates {
  readonly mostMessageBytes: number;
  /** Calls and streams open at once on one connection. */
  readonly mostOpenCalls: number;
  /** Messages that are none, after which a connection is closed. */
  readonly mostBadMessages: number;
  readonly mostConnections: number;
  /** Unsent bytes above which streams wait for the reader. */
  readonly sendBufferBytes: number;
  /** A page that does not answer this often is gone. */
  readonly pingMilliseconds: number;
}

export const DEFAULT_RPC_LIMITS: RpcLimits = {
  messagesPerSecond: 500,
  burstMessages: 2_000,
  bytesPerSecond: 32 * 1024 ** 2,
  burstBytes: 128 * 1024 ** 2,
  mostMessageBytes: 64 * 1024 ** 2,
  mostOpenCalls: 256,
  mostBadMessages: 50,
  mostConnections: 64,
  sendBufferBytes: 8 * 1024 ** 2,
  pingMilliseconds: 20_000,
};

const LONGEST_ID = 100;
const CLOSE = { policy: 1008, goingAway: 1001, tryLater: 1013 } as const;

export interface RpcSockets {
  /** Takes over a connection that has been let in. */
  readonly accept: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
}

/** Typed RPC over WebSocket. What comes in is counted, measured and validated; what goes wrong never ends the server. */
export function createRpcSockets(router: Router<typeof contract, RpcContext>, dependencies: { readonly logger: Logger; readonly limits?: RpcLimits }): readonly [RpcSockets, () => Promise<void>] {
  const { logger, limits = DEFAULT_RPC_LIMITS } = dependencies;
  const sockets = new WebSocketServer({ noServer: true, maxPayload: limits.mostMessageBytes, perMessageDeflate: false, clientTracking: true });
  const handler = new StandardRPCHandler<RpcContext>(router, { clientInterceptors: [withFaults(logger)] });
  let lastConnection = 0;

  function serve(socket: WebSocket): void {
    lastConnection += 1;
    const context: RpcContext = { connectionId: lastConnection };
    const peer = new experimental_ServerPeerWithoutCodec(async ([id, type, payload]) => {
      await sendSlowly(socket, await encodeResponseMessage(id, type, payload), limits.sendBufferBytes);
    });
    const call = createServerPeerHandleRequestFn(handler, { context });
    const budget = createMessageBudget(limits, () => performance.now());
    let openCalls = 0;
    let badMessages = 0;

    const take = async (text: string | Uint8Array): Promise<void> => {
      const message = await readMessage(text);
      if (message === null) {
        badMessages += 1;
        if (badMessages > limits.mostBadMessages) socket.close(CLOSE.policy, "too many malformed messages");
        return;
      }
      let calls = 0;
      try {
        await peer.message(message, async (request) => {
          calls = 1;
          openCalls += 1;
          return openCalls > limits.mostOpenCalls ? refusalOf(tooManyCalls(limits.mostOpenCalls)) : call(request);
        });
      } catch (error) {
        logger.error("a call could not be answered", { connection: context.connectionId, error });
      } finally {
        // A stream's message is done when the stream has ended.
        openCalls -= calls;
      }
    };

    socket.on("message", (data: RawData, isBinary: boolean) => {
      const bytes = toBytes(data);
      const wait = budget.spend(bytes.byteLength);
      if (wait > 0) pauseFor(socket, wait);
      void take(isBinary ? bytes : bytes.toString("utf8"));
    });
    socket.on("error", () => socket.terminate());
    socket.on("close", () => peer.close());
    keepAlive(socket, limits.pingMilliseconds);
  }

  const accept: RpcSockets["accept"] = (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      if (sockets.clients.size > limits.mostConnections) webSocket.close(CLOSE.tryLater, "too many pages");
      else serve(webSocket);
    });
  };
  const cleanup = async (): Promise<void> => {
    for (const socket of sockets.clients) socket.close(CLOSE.goingAway, "the studio ends");
    const late = setTimeout(() => {
      for (const socket of sockets.clients) socket.terminate();
    }, 500);
    await Promise.all([...sockets.clients].map((socket) => new Promise((resolve) => socket.once("close", resolve))));
    clearTimeout(late);
  };
  return [{ accept }, cleanup] as const;
}

/** Null when it is none: not JSON, not a call, or without an id that answers could be told apart by. */
async function readMessage(text: string | Uint8Array): Promise<DecodedRequestMessage | null> {
  try {
    const message = await decodeRequestMessage(text);
    const [id, type] = message;
    return typeof id === "string" && id !== "" && id.length <= LONGEST_ID && Object.values(MessageType).includes(type) ? message : null;
  } catch {
    return null;
  }
}

function tooManyCalls(most: number): Fault {
  return { code: "TOO_MANY_CALLS", what: "The page asked for too much at once.", why: `At most ${String(most)} calls may be open on one connection.`, hint: "Reload the page.", field: null };
}

function toBytes(data: RawData): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}

/** Resolves when the reader has taken enough: a stream then produces its next value. */
async function sendSlowly(socket: WebSocket, message: string | ArrayBufferLike | Uint8Array, mostBuffered: number): Promise<void> {
  if (socket.readyState !== socket.OPEN) return;
  const sent = new Promise<void>((resolve) => {
    // Whether it failed is seen by the connection's end.
    socket.send(message, () => resolve());
  });
  if (socket.bufferedAmount > mostBuffered) await sent;
}

/** Reads nothing more for a while: the sender is slowed down, not cut off. */
function pauseFor(socket: WebSocket, milliseconds: number): void {
  if (socket.isPaused) return;
  socket.pause();
  setTimeout(() => {
    if (socket.readyState === socket.OPEN) socket.resume();
  }, milliseconds).unref();
}

/** Ends connections whose other side has gone without a word, such as a laptop that was closed. */
function keepAlive(socket: WebSocket, milliseconds: number): void {
  let answered = true;
  const timer = setInterval(() => {
    if (!answered && !socket.isPaused) {
      socket.terminate();
      return;
    }
    answered = false;
    socket.ping();
  }, milliseconds);
  socket.on("pong", () => (answered = true));
  socket.on("close", () => clearInterval(timer));
}
