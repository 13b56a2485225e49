import { Socket as DatagramSocket } from "node:dgram";
import { isIPv4, isIPv6, Socket } from "node:net";
import { FaultError } from "./fault-error.ts";

/**
 * From now on this process cannot reach another machine: connections and datagrams are refused unless they stay here. What libraries do goes through the same two
 * doors. It cannot be undone; listening is not affected.
 */
export function forbidNetwork(): void {
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its socket below
  const connect = Socket.prototype.connect;
  Socket.prototype.connect = function (this: Socket, ...args: unknown[]): Socket {
    const host = hostOf(args);
    if (!staysHere(host)) {
      process.nextTick(() => this.destroy(refused(host)));
      return this;
    }
    return Reflect.apply(connect, this, args) as Socket;
  };
  const refuse = function (this: DatagramSocket): never {
    throw refused("a datagram");
  };
  DatagramSocket.prototype.send = refuse;
  DatagramSocket.prototype.connect = refuse;
}

/** Arguments of `connect` are normalised by `net.connect` into one list of options and a callback. */
function hostOf(args: readonly unknown[]): string {
  const [first, second] = Array.isArray(args[0]) ? (args[0] as readonly unknown[]) : args;
  if (typeof first === "object" && first !== null) {
    if ("path" in first && typeof first.path === "string") return "";
    return "host" in first && typeof first.host === "string" ? first.host : "localhost";
  }
  if (typeof first === "string" && Number.isNaN(Number(first))) return "";
  return typeof second === "string" ? second : "localhost";
}

/** The empty name stands for a socket of the file system. */
function staysHere(host: string): boolean {
  if (host === "" || host === "localhost") return true;
  if (isIPv4(host)) return host.startsWith("127.") || host === "0.0.0.0";
  return isIPv6(host) && (host === "::1" || host === "::" || /^::ffff:127\./i.test(host));
}

function refused(what: string): FaultError {
  return new FaultError({ code: "NETWORK_OFF", what: "Nothing is fetched: the network is switched off.", why: `The program was started with --offline, and something tried to reach ${what}.`, hint: "Start it without --offline to use the network." });
}
