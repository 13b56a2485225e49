import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build } from "esbuild";
import { expect, onTestFinished, test } from "vitest";

const guard = fileURLToPath(new URL("network-guard.ts", import.meta.url));

/** What a program with the guard gets to know; the guard cannot be taken off again, so each asks in a process of its own. */
async function asked(statement: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "avatar-studio-guard-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const program = join(folder, "asks.mjs");
  const told = `const told = (error) => console.log(error.cause?.fault?.code ?? error.fault?.code ?? String(error));`;
  const contents = `import { forbidNetwork } from ${JSON.stringify(guard)}; import { connect } from "node:net"; import dgram from "node:dgram"; forbidNetwork(); ${told} ${statement}`;
  await build({ stdin: { contents, loader: "ts", resolveDir: folder }, bundle: true, platform: "node", format: "esm", outfile: program });
  const { stdout } = await promisify(execFile)(process.execPath, [program], { timeout: 20_000 });
  return stdout.trim();
}

/** Starting a program takes its time on a busy machine. */
const patient = { timeout: 60_000 };

test("nothing leaves this machine, by whatever door", patient, async () => {
  const told = await asked(`
    const heard = (socket) => new Promise((resolve) => socket.once("error", (error) => resolve(told(error))));
    await fetch("http://192.0.2.1/").catch(told);
    await fetch("https://example.org/").catch(told);
    await heard(connect(80, "192.0.2.1"));
    await heard(connect({ host: "2001:db8::1", port: 80 }));
    const datagrams = dgram.createSocket("udp4");
    try { datagrams.send("x", 53, "192.0.2.1"); } catch (error) { told(error); }
    datagrams.close();
  `);
  expect(told.split("\n")).toEqual(Array(5).fill("NETWORK_OFF"));
});

test("this machine can still be reached", patient, async () => {
  const server = createServer((_, response) => response.end("here")).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  expect(await asked(`console.log(await (await fetch("http://127.0.0.1:${String(port)}/")).text());`)).toBe("here");
});
