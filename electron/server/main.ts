import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { argv, env, exit, platform, stdin } from "node:process";
import { fileURLToPath } from "node:url";
import { type MessageToServer } from "../contract/shell-messages.schema.ts";
import { defaultDataFolder, openDataFolder } from "./common/data-folder.ts";
import { FaultError, faultOf } from "./common/fault-error.ts";
import { forbidNetwork } from "./common/network-guard.ts";
import { createLogFile, createLogger, readTail, removeOldLogs, secret } from "./common/logger.ts";
import { type PortPolicy } from "./http/listen.ts";
import { isLoopback } from "./http/request-guard.ts";
import { DEFAULT_WEB_PORT, HELP, parseCommand, type ServeOptions } from "./options.ts";
import { passwordOfRun, setPassword } from "./password-command.ts";
import { serve, type Served } from "./serve.ts";
import { openParentChannel, type ParentChannel, printStart } from "./system/parent-channel.ts";
import { askYes, isInteractive, onEnter, say, sayFault } from "./terminal.ts";

/** The server's program: understands the command line, starts the studio, and ends it cleanly on every way out. */

const LOGS_KEPT = 10;
const LOG_TAIL_BYTES = 64 * 1024;
/** Renders stop within one block; what does not end in time is left to the system. */
const CLOSE_MILLISECONDS = 20_000;
/** The checkout, or the archive of an installed program. */
const PROGRAM = fileURLToPath(new URL("../..", import.meta.url));

async function main(): Promise<void> {
  const command = parseCommand(argv.slice(2));
  const dataPath = (folder: string | null): string => folder ?? defaultDataFolder(platform, env, homedir());
  switch (command.kind) {
    case "help":
      say(HELP);
      return;
    case "version":
      say(versionOf(PROGRAM));
      return;
    case "set-password":
      await setPassword(dataPath(command.dataFolder), env);
      return;
    case "serve":
      await run(command.options, dataPath(command.options.dataFolder));
  }
}

async function run(options: ServeOptions, dataPath: string): Promise<void> {
  if (options.offline) {
    forbidNetwork();
    // Children inherit it: the engine forbids itself the network when it sees this.
    env.LIVE_AVATAR_OFFLINE = "1";
  }
  const [data, unlock] = await openDataFolder(dataPath);
  await removeOldLogs(data.logs, "server-", LOGS_KEPT - 1);
  const logPath = join(data.logs, `server-${new Date().toISOString().replaceAll(/[:.]/g, "-")}.log`);
  const logFile = createLogFile(logPath);
  const logger = (area: string) => createLogger(logFile, area);
  const log = logger("main");

  /** Known once it serves; messages and signals may come before. */
  let served: Served | null = null;
  let close: () => Promise<void> = () => Promise.resolve();
  let ending = false;
  const end = (reason: string, code: number): void => {
    if (ending) return;
    ending = true;
    log.info(`ending: ${reason}`);
    setTimeout(() => {
      log.error("not everything ended in time");
      void logFile.close().finally(() => exit(code === 0 ? 1 : code));
    }, CLOSE_MILLISECONDS).unref();
    void close()
      .catch((error: unknown) => log.error("the end failed", { error }))
      .then(unlock)
      .then(logFile.close)
      .finally(() => exit(code));
  };

  const parent = openParentChannel({ onMessage: (message) => answer(message, served, parent, () => end("asked to", 0)), onGone: () => end("the parent is gone", 0) });
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => end(signal, 0));
  // A bug in one place must not cost the work of all others; it is logged with its stack.
  process.on("unhandledRejection", (error) => log.error("an error was not handled", { error }));
  process.on("uncaughtException", (error) => {
    log.error("the program failed", { error });
    end("a failure", 70);
  });
  // Who started us holds the other end of our stdin; but utility processes of Electron have none, and end with their parent.
  if (options.readyJson && !("parentPort" in process)) {
    stdin.once("end", () => end("the parent is gone", 0)).once("error", () => end("the parent is gone", 0));
    stdin.resume();
  }

  try {
    const mode = parent.connected ? "desktop" : "web";
    [served, close] = await serve({
      host: options.host,
      port: options.port ?? (mode === "desktop" ? 0 : DEFAULT_WEB_PORT),
      portPolicy: portPolicy(options, mode),
      allowedHosts: options.allowedHosts,
      mode,
      offline: options.offline,
      version: versionOf(PROGRAM),
      installation: options.installation ?? PROGRAM,
      pageFolder: options.page ?? fileURLToPath(new URL("../renderer", import.meta.url)),
      data,
      password: await passwordOfRun(data.path, env),
      logger,
      logTail: async () => {
        await logFile.flush();
        return readTail(logPath, LOG_TAIL_BYTES);
      },
    });
    log.info("ready", { port: served.port, data: secret(data.path) });
    await announce(options, served);
  } catch (error) {
    log.error("the start failed", { error });
    await unlock();
    await logFile.close();
    throw error;
  }
}

function portPolicy(options: ServeOptions, mode: "desktop" | "web"): PortPolicy {
  if (options.takeNextPort || mode === "desktop") return { kind: "take-next" };
  if (!isInteractive() || options.readyJson) return { kind: "refuse" };
  return { kind: "ask", ask: (what, next) => askYes(`${what} Use ${String(next)} instead?`) };
}

async function announce(options: ServeOptions, served: Served): Promise<void> {
  if (options.readyJson) {
    await printStart({ ready: true, url: served.link() });
    return;
  }
  const others = served.links();
  const paragraphs = [
    `Avatar Studio is ready. Open this link once, in the browser on this machine:\n\n  ${served.link()}`,
    ...(others.length === 0 ? [] : [`From other machines, with the password or with one of these links:\n\n${others.map((link) => `  ${link}`).join("\n")}`]),
    ...(isLoopback(options.host) ? [] : ["Careful: without TLS, others on the network can read what is sent, also the password. Use it only in a network you trust, or behind a reverse proxy with TLS (--allowed-host)."]),
    ...(isInteractive() ? ["Enter prints a new link. Ctrl+C ends the studio."] : []),
  ];
  say(`${paragraphs.join("\n\n")}\n`);
  if (isInteractive()) onEnter(() => say(`  ${served.link()}`));
}

function answer(message: MessageToServer, served: Served | null, parent: ParentChannel, shutDown: () => void): void {
  if (message.kind === "shutdown") {
    shutDown();
    return;
  }
  const { requestId } = message;
  try {
    if (served === null) throw notReady;
    switch (message.kind) {
      case "register-path":
        parent.send({ kind: "path-registered", requestId, handle: served.studio.handles.register(message.path, message.access) });
        return;
      case "busy":
        parent.send({ kind: "busy", requestId, runningJobs: served.studio.work.jobs.list().filter((job) => job.state.status === "running" || job.state.status === "stopping").length });
        return;
      case "new-token":
        parent.send({ kind: "new-token", requestId, url: served.link() });
    }
  } catch (error) {
    parent.send({ kind: "refused", requestId, fault: faultOf(error) });
  }
}

const notReady = new FaultError({ code: "NOT_READY", what: "The studio is still starting.", why: "It is not ready to answer.", hint: "Try again in a moment." });

function versionOf(program: string): string {
  try {
    const value: unknown = JSON.parse(readFileSync(join(program, "package.json"), "utf8"));
    if (typeof value === "object" && value !== null && "version" in value) return String(value.version);
  } catch {
    // Packaged without it: the version is not worth a failure.
  }
  return "unknown";
}

main().catch(async (error: unknown) => {
  const fault = faultOf(error);
  if (argv.includes("--ready-json") || argv.includes("--ready_json")) await printStart({ error: fault });
  else sayFault(fault);
  if (fault.code === "INTERNAL_ERROR") process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  exit(1);
});
