import { type Server } from "node:http";
import { type AddressInfo } from "node:net";
import { FaultError, systemErrorCode } from "../common/fault-error.ts";
import { portHolder } from "./port-holder.ts";

const HIGHEST_PORT = 65_535;
const NEXT_PORTS_TRIED = 50;

/** What to do when the port is taken. */
export type PortPolicy = { readonly kind: "refuse" } | { readonly kind: "take-next" } | { readonly kind: "ask"; readonly ask: (what: string, nextPort: number) => Promise<boolean> };

/**
 * Listens, and answers the port it got. Throws PORT_IN_USE (naming who holds it, where the system tells, and the next free port), ADDRESS_NOT_HERE or PORT_NOT_PERMITTED.
 */
export async function listen(server: Server, host: string, port: number, policy: PortPolicy): Promise<number> {
  const taken = await tryListen(server, host, port);
  if (taken.kind === "listening") return taken.port;
  if (policy.kind === "take-next") return listenNext(server, host, port);
  const holder = await portHolder(port);
  const next = await freePort(server, host, port);
  const what = `Port ${String(port)} is in use${holder === null ? "" : `: ${holder}`}.`;
  if (policy.kind === "ask" && next !== null && (await policy.ask(what, next))) return listenNext(server, host, next - 1);
  throw new FaultError({
    code: "PORT_IN_USE",
    what,
    why: holder === null ? "Another program, perhaps another Avatar Studio, listens there." : "Two programs cannot listen on one port.",
    hint: next === null ? "End that program, or choose a port with --server-port." : `Start with --server-port ${String(next)}, which is free, or with --next-port. Or end that program yourself.`,
    field: "server_port",
  });
}

async function listenNext(server: Server, host: string, port: number): Promise<number> {
  for (let next = port + 1; next <= Math.min(HIGHEST_PORT, port + NEXT_PORTS_TRIED); next += 1) {
    const outcome = await tryListen(server, host, next);
    if (outcome.kind === "listening") return outcome.port;
  }
  const any = await tryListen(server, host, 0);
  if (any.kind === "listening") return any.port;
  throw new FaultError({ code: "PORT_IN_USE", what: "No free port was found.", why: "All ports that were tried are in use.", hint: "Choose one with --server-port.", field: "server_port" });
}

async function freePort(server: Server, host: string, port: number): Promise<number | null> {
  for (let next = port + 1; next <= Math.min(HIGHEST_PORT, port + NEXT_PORTS_TRIED); next += 1) {
    const outcome = await tryListen(server, host, next);
    if (outcome.kind === "taken") continue;
    await new Promise((resolve) => server.close(resolve));
    return next;
  }
  return null;
}

async function tryListen(server: Server, host: string, port: number): Promise<{ readonly kind: "listening"; readonly port: number } | { readonly kind: "taken" }> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host, port, exclusive: true }, () => {
        server.off("error", reject);
        resolve();
      });
    });
    return { kind: "listening", port: (server.address() as AddressInfo).port };
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === "EADDRINUSE") return { kind: "taken" };
    if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND" || code === "EINVAL") {
      throw new FaultError({ code: "ADDRESS_NOT_HERE", what: `The studio cannot listen at ${host}.`, why: "This machine has no such address.", hint: "Use --host 0.0.0.0 for all addresses of this machine, or one that it has.", field: "host" }, { cause: error });
    }
    if (code === "EACCES") {
      throw new FaultError({ code: "PORT_NOT_PERMITTED", what: `The studio may not listen on port ${String(port)}.`, why: "The system reserves it.", hint: "Choose a port above 1023 with --server-port.", field: "server_port" }, { cause: error });
    }
    throw error;
  }
}
