import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { serverBuildOptions } from "./bundle.mjs";
import { ensureRuntime } from "./setup/main.mjs";
import { ensureNodePackages } from "./setup/node-packages.mjs";
import { repositoryRoot } from "./setup/paths.mjs";
import { runMain } from "./setup/user-error.mjs";

const SERVER_PORT = 7861;
const PAGE_PORT = 7862;
/** What the studio server answers; everything else is Vite's. */
const SERVER_PATHS = ["^/\\?token=", "^/rpc", "^/files/", "^/examples/", "^/upload", "^/login"];

// For work on the program: the page is reloaded piece by piece as its files change, the server restarted as its do.
await runMain(async () => {
  await ensureRuntime({ tests: false });
  await ensureNodePackages();
  const outDir = join(repositoryRoot, "dist", "dev-server");
  const { context } = await import("esbuild");
  const { createServer } = await import("vite");

  const origin = `http://127.0.0.1:${SERVER_PORT}`;
  const asServer = { origin, host: `127.0.0.1:${SERVER_PORT}` };
  const proxy = Object.fromEntries(SERVER_PATHS.map((path) => [path, { target: origin, changeOrigin: true, ws: path === "^/rpc", headers: asServer }]));
  const page = await createServer({ configFile: join(repositoryRoot, "vite.config.ts"), server: { host: "127.0.0.1", port: PAGE_PORT, strictPort: true, proxy } });
  await page.listen();

  /** @type {import("node:child_process").ChildProcess | null} */
  let server = null;
  const restart = async () => {
    await stop(server);
    server = fork(join(outDir, "main.js"), ["--ready-json", "--server-port", String(SERVER_PORT), ...process.argv.slice(2)], {
      execArgv: ["--enable-source-maps"],
      stdio: ["pipe", "pipe", "inherit", "ipc"],
    });
    if (server.stdout === null) return;
    createInterface({ input: server.stdout }).on("line", (line) => {
      const url = /"url":\s*"([^"]+)"/.exec(line)?.[1];
      console.log(url === undefined ? line : `Open ${url.replace(String(SERVER_PORT), String(PAGE_PORT))}`);
    });
  };
  /** @type {import("esbuild").Plugin} */
  const restarting = {
    name: "restart-server",
    setup: (build) => build.onEnd(async (result) => { if (result.errors.length === 0) await restart(); }),
  };
  const building = await context({ ...serverBuildOptions(outDir), plugins: [restarting] });
  await building.watch();

  await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM"), once(process, "SIGHUP")]);
  await building.dispose();
  await page.close();
  await stop(server);
  return 0;
});

/** @param {import("node:child_process").ChildProcess | null} server */
async function stop(server) {
  if (server === null || server.exitCode !== null || server.signalCode !== null) return;
  const ended = once(server, "exit");
  server.kill("SIGTERM");
  await ended;
}
