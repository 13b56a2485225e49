import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { electronProgram, fetchElectron } from "./electron-binary.mjs";
import { whyNoWindow } from "./electron-choice.mjs";
import { ensureBuilt } from "./ensure-built.mjs";
import { ensureRuntime } from "./setup/main.mjs";
import { ensureNodePackages } from "./setup/node-packages.mjs";
import { repositoryRoot } from "./setup/paths.mjs";
import { runAttached } from "./setup/run-command.mjs";
import { SetupError, runMain } from "./setup/user-error.mjs";

// Opens the studio: in its own window where Electron can run, else in the browser. `npm start -- --browser` skips the window;
// other arguments are projects to open (in the window) or options of the server (in the browser).
await runMain(async () => {
  const args = process.argv.slice(2).filter((argument) => argument !== "--browser");
  await ensureRuntime({ tests: false });
  await ensureNodePackages();
  const dist = await ensureBuilt();

  let reason = whyNoWindow({
    platform: process.platform,
    display: Boolean(process.env.DISPLAY || process.env.WAYLAND_DISPLAY),
    root: process.getuid?.() === 0,
    userNamespaces: !isOn("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
    browserWanted: process.argv.includes("--browser"),
  });
  if (reason === null && electronProgram(repositoryRoot) === null) reason = await fetchElectron(repositoryRoot, (line) => console.error(line));
  const program = reason === null ? electronProgram(repositoryRoot) : null;
  if (program !== null) return runAttached(program, [repositoryRoot, ...args.map(fromWhereCalled)]);
  console.error(`The studio opens in the browser, not in its own window: ${reason}.`);
  return openInBrowser(join(dist, "server", "main.js"), args);
});

/**
 * npm runs scripts in the checkout; a relative path means the folder the user stands in.
 * @param {string} argument
 */
function fromWhereCalled(argument) {
  const path = resolve(process.env.INIT_CWD ?? process.cwd(), argument);
  return argument.startsWith("-") || !existsSync(path) ? argument : path;
}

/**
 * Run the server until it ends; print the link, and open it where there is a screen.
 * @param {string} server
 * @param {string[]} args
 * @returns {Promise<number>}
 */
function openInBrowser(server, args) {
  const port = args.some((argument) => argument.startsWith("--server-port") || argument.startsWith("--server_port")) ? [] : ["--server-port", "7860", "--next-port"];
  // The server ends when its standard input does, so nothing stays when this process is killed.
  const child = spawn(process.execPath, ["--enable-source-maps", server, "--ready-json", ...port, ...args], { stdio: ["pipe", "pipe", "inherit"] });
  const forward = (/** @type {NodeJS.Signals} */ signal) => child.kill(signal);
  process.on("SIGINT", forward).on("SIGTERM", forward).on("SIGHUP", forward);
  createInterface({ input: child.stdout }).on("line", (line) => {
    const start = parseStart(line);
    if (start === null) return;
    if (start.url === undefined) {
      console.error(`\nError: ${[start.error?.what, start.error?.why, start.error?.hint].filter(Boolean).join("\n  ")}`);
      return;
    }
    const opened = openLink(start.url);
    console.log(`${opened ? "If no browser opens, open this link" : "Open this link in a browser"} (it works once): ${start.url}\nCtrl+C ends the studio.`);
  });
  return new Promise((done, reject) => {
    child.once("error", (error) => reject(new SetupError("The studio server could not be started.", `${error.message}.`, "")));
    child.once("close", (status, signal) => done(status ?? (signal === "SIGINT" ? 130 : 1)));
  });
}

/**
 * @param {string} line
 * @returns {{ url?: string, error?: { what: string, why: string, hint: string } } | null}
 */
function parseStart(line) {
  try {
    const value = JSON.parse(line);
    return typeof value?.url === "string" || value?.error ? value : null;
  } catch {
    return null;
  }
}

/**
 * @param {string} url
 * @returns {boolean} whether it was tried
 */
function openLink(url) {
  const screen = process.platform !== "linux" || process.env.DISPLAY || process.env.WAYLAND_DISPLAY;
  if (!screen) return false;
  const command = process.platform === "darwin" ? "open" : "xdg-open";
  spawn(command, [url], { stdio: "ignore", detached: true }).once("error", () => {}).unref();
  return true;
}

/** @param {string} path a switch of the kernel */
function isOn(path) {
  try {
    return readFileSync(path, "utf8").trim() === "1";
  } catch {
    return false;
  }
}
