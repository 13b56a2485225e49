import { type IncomingMessage } from "node:http";

/**
 * Which requests are answered at all. A page of another site can send requests to this machine, and with a name that it points here (DNS rebinding)
 * even read the answers; so the Host must be one of ours, and the Origin must be the very page we served.
 */
export interface Hosts {
  /** `name:port` in lower case, as browsers write them in the Host header. */
  readonly allowed: ReadonlySet<string>;
}

export type Verdict = { readonly kind: "ok" } | { readonly kind: "refused"; readonly status: 400 | 403 | 405 | 421; readonly text: string };

const OK: Verdict = { kind: "ok" };
const READING = new Set(["GET", "HEAD"]);
const WRITING = new Set(["PUT", "POST"]);

/** `upgrade`: whether it asks for a WebSocket, which browsers let any page open. */
export function judgeRequest(request: Pick<IncomingMessage, "method" | "headers" | "url">, hosts: Hosts, upgrade: boolean): Verdict {
  const method = request.method ?? "";
  const { host, origin } = request.headers;
  if (!hosts.allowed.has((host ?? "").toLowerCase())) return { kind: "refused", status: 421, text: "This address is not served here. Open the studio with the link that it printed." };
  if (!READING.has(method) && !WRITING.has(method)) return { kind: "refused", status: 405, text: "This method is not served here." };
  if (request.url?.startsWith("/") !== true || request.url.length > 4_096) return { kind: "refused", status: 400, text: "This address cannot be read." };
  if (origin === undefined) {
    // Browsers always name the page for these; who does not is no page of ours.
    return upgrade || WRITING.has(method) ? crossSite : OK;
  }
  return origin === `http://${String(host).toLowerCase()}` || origin === `https://${String(host).toLowerCase()}` ? OK : crossSite;
}

const crossSite: Verdict = { kind: "refused", status: 403, text: "Requests of other web pages are not answered." };

/** The names under which a server that listens at `host` and `port` may be asked. */
export function allowedHosts(port: number, host: string, addresses: readonly string[], extra: readonly string[]): Hosts {
  const names = new Set(["localhost", "127.0.0.1", "[::1]"]);
  if (!isAnyAddress(host)) names.add(bracketed(host));
  else for (const address of addresses) names.add(bracketed(address));
  const allowed = new Set([...names].map((name) => `${name.toLowerCase()}:${String(port)}`));
  // Browsers leave out the port of plain HTTP.
  if (port === 80) for (const name of names) allowed.add(name.toLowerCase());
  for (const name of extra) allowed.add(name.toLowerCase());
  return { allowed };
}

export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}

export function isAnyAddress(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

/** IPv6 addresses stand in brackets before a port. */
export function bracketed(host: string): string {
  return host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
}
