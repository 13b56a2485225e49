import { existsSync } from "node:fs";
import { hostname, networkInterfaces } from "node:os";
import { join } from "node:path";
import { createAccess } from "./auth/access.ts";
import { type PasswordHash } from "./auth/password.ts";
import { openSessions, SESSION_SECONDS } from "./auth/sessions.ts";
import { type DataFolder } from "./common/data-folder.ts";
import { FaultError } from "./common/fault-error.ts";
import { type Logger } from "./common/logger.ts";
import { createFileFinder } from "./file-finder.ts";
import { sessionCookieName } from "./http/cookies.ts";
import { createHttpServer } from "./http/http-server.ts";
import { listen, type PortPolicy } from "./http/listen.ts";
import { openPageFiles } from "./http/page-files.ts";
import { allowedHosts, bracketed, isAnyAddress, isLoopback } from "./http/request-guard.ts";
import { createRouter } from "./router.ts";
import { createRpcSockets } from "./rpc/rpc-socket.ts";
import { createStudio, type Studio } from "./studio.ts";

export interface ServeRequest {
  readonly host: string;
  readonly port: number;
  readonly portPolicy: PortPolicy;
  readonly allowedHosts: readonly string[];
  readonly mode: "desktop" | "web";
  readonly offline: boolean;
  readonly version: string;
  readonly installation: string;
  readonly pageFolder: string;
  readonly data: DataFolder;
  readonly password: PasswordHash | null;
  readonly logger: (area: string) => Logger;
  /** The end of this run's log. */
  readonly logTail: () => Promise<string>;
}

export interface Served {
  readonly studio: Studio;
  readonly port: number;
  /** An address of the page with a new one-time token. */
  readonly link: () => string;
  /** The same for each address under which other machines may reach this one. */
  readonly links: () => readonly string[];
}

/** The whole studio on one port. Throws PASSWORD_NEEDED, or what listening throws. The returned function ends everything. */
export async function serve(request: ServeRequest): Promise<readonly [Served, () => Promise<void>]> {
  const { data, host, logger } = request;
  if (!isLoopback(host) && request.password === null) throw passwordNeeded(host);
  const sessions = await openSessions(join(data.path, "sessions.json"));
  const access = createAccess({ sessions, password: request.password });
  const facts = { version: request.version, mode: request.mode, offline: request.offline, atThisMachine: isLoopback(host) && hasDesktop(process.platform, process.env) };
  let port = request.port;
  const [studio, closeStudio] = await createStudio({
    facts,
    data,
    installation: request.installation,
    logger,
    logTail: request.logTail,
    port: () => (request.port === 0 || port === request.port ? null : { wanted: request.port, used: port, holder: null }),
  });
  const [sockets, closeSockets] = createRpcSockets(createRouter(studio), { logger: logger("rpc") });

  const server = createHttpServer({
    hosts: () => allowedHosts(port, host, ownAddresses(), request.allowedHosts),
    cookieName: () => sessionCookieName(port),
    gate: { ...access, sessionSeconds: SESSION_SECONDS },
    page: await openPageFiles(request.pageFolder),
    uploads: studio.uploads,
    files: createFileFinder(studio),
    onSocket: sockets.accept,
    logger: logger("http"),
  });
  try {
    port = await listen(server, host, request.port, request.portPolicy);
  } catch (error) {
    await closeStudio();
    throw error;
  }

  const linkTo = (name: string): string => `http://${bracketed(name)}:${String(port)}/?token=${access.issueToken()}`;
  const served: Served = {
    studio,
    port,
    link: () => linkTo(isLoopback(host) || isAnyAddress(host) ? "127.0.0.1" : host),
    links: () => (isLoopback(host) ? [] : isAnyAddress(host) ? ownAddresses() : [host]).map(linkTo),
  };
  const close = async (): Promise<void> => {
    server.close();
    await closeSockets();
    await closeStudio();
    server.closeAllConnections();
    await sessions.flush();
  };
  return [served, close] as const;
}

/** Names and addresses of this machine that others may use for it. */
function ownAddresses(): readonly string[] {
  const addresses = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []).filter((entry) => !entry.internal && !entry.address.startsWith("fe80"));
  return [...addresses.map((entry) => entry.address), hostname(), `${hostname()}.local`];
}

/** Whether a file manager can be shown. */
function hasDesktop(platform: NodeJS.Platform, environment: NodeJS.ProcessEnv): boolean {
  if (platform === "darwin" || platform === "win32") return true;
  const display = environment.WAYLAND_DISPLAY ?? environment.DISPLAY ?? "";
  return display !== "" && ["/usr/bin/xdg-open", "/bin/xdg-open"].some((path) => existsSync(path));
}

function passwordNeeded(host: string): FaultError {
  return new FaultError({
    code: "PASSWORD_NEEDED",
    what: `The studio does not start on ${host} without a password.`,
    why: "Other machines could reach it there.",
    hint: "Set a password with --set-password, or in AVATAR_STUDIO_PASSWORD. Or leave out --host: then only this machine can reach it.",
    field: "host",
  });
}
