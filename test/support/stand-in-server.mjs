// A server, run as a utility process, as the shell sees it, for what the real one does not do on request: being busy, failing, dying.
// STAND_IN: "busy" runs one job; "fails" does not start (once $HOME/go is there); "dies" ends as soon as it is ready.
import { existsSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";

const port = Number(process.argv[process.argv.indexOf("--server-port") + 1]);
const how = process.env.STAND_IN ?? "";
const parent = /** @type {any} */ (process).parentPort;
const send = (/** @type {object} */ message) => parent.postMessage(message);

const server = createServer((_request, response) => {
  response.writeHead(200, { "content-type": "text/html", "set-cookie": `session=${process.pid}; HttpOnly; SameSite=Strict` });
  response.end("<title>Stand-in</title>");
});

/** @param {{ kind: string, requestId: number }} message */
function receive({ kind, requestId }) {
  if (kind === "shutdown") process.exit(0);
  if (kind === "busy") send({ kind, requestId, runningJobs: how === "busy" ? 1 : 0 });
  if (kind === "new-token") send({ kind, requestId, url: link() });
  if (kind === "register-path") send({ kind: "path-registered", requestId, handle: `handle-${requestId}` });
}

function link() {
  return `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}/?token=x`;
}

parent.on("message", (/** @type {any} */ event) => receive(event.data));

if (how === "fails") {
  const error = { code: "DATA_FOLDER_IN_USE", what: "Another server uses this folder.", why: "It is process 1.", hint: "Close it first.", field: null };
  const waiting = setInterval(() => {
    if (!existsSync(join(process.env.HOME ?? "", "go"))) return;
    clearInterval(waiting);
    process.stdout.write(`${JSON.stringify({ error })}\n`, () => process.exit(1));
  }, 20);
} else {
  server.listen(port, "127.0.0.1", () => {
    console.log(JSON.stringify({ ready: true, url: link() }));
    if (how === "dies") setImmediate(() => process.exit(3));
  });
}
