import { once } from "node:events";
import { expect, test } from "vitest";
import { cleanEnvironment, runProgram, startProgram } from "./child-process.ts";
import { FaultError } from "./fault-error.ts";
import { identityOf, isStillRunning, parseProcessIdentity } from "./process-identity.ts";

const node = (code: string) => ({ command: process.execPath, args: ["-e", code], env: cleanEnvironment(process.env) });
const codeOf = (error: unknown): string => (error instanceof FaultError ? error.fault.code : String(error));

test("a program's output and exit code are answered; any code is an answer", async () => {
  const output = await runProgram(node('process.stdin.on("data", (d) => process.stdout.write(d)); process.stdin.on("end", () => { process.stderr.write("words"); process.exit(3); })'), { timeoutMilliseconds: 20_000, input: "héllo" });
  expect([output.code, output.stdout.toString(), output.stderr]).toEqual([3, "héllo", "words"]);
});

test("what does not start, does not end, or does not stop talking is refused", async () => {
  expect(codeOf(await runProgram({ ...node(""), command: "/nowhere/program" }, { timeoutMilliseconds: 20_000 }).catch((error: unknown) => error))).toBe("PROGRAM_NOT_STARTED");
  expect(codeOf(await runProgram(node("setInterval(() => {}, 1000)"), { timeoutMilliseconds: 200 }).catch((error: unknown) => error))).toBe("PROGRAM_TOO_SLOW");
  expect(codeOf(await runProgram(node("setInterval(() => process.stdout.write('x'.repeat(1e6)), 1)"), { timeoutMilliseconds: 20_000, maximumBytes: 100_000 }).catch((error: unknown) => error))).toBe("PROGRAM_TOO_TALKATIVE");
  const abort = new AbortController();
  const running = runProgram(node("setInterval(() => {}, 1000)"), { timeoutMilliseconds: 20_000, signal: abort.signal });
  abort.abort(new Error("not wanted any more"));
  await expect(running).rejects.toThrow("not wanted any more");
});

test.skipIf(process.platform === "win32")("stopping ends the whole group, also those who ignore the polite signal", async () => {
  const program = await startProgram(node('const c = require("child_process").spawn(process.execPath, ["-e", "process.on(\\"SIGTERM\\", () => {}); setInterval(() => {}, 1000); console.log(process.pid)"], { stdio: ["ignore", "inherit", "ignore"] }); process.on("SIGTERM", () => {}); setInterval(() => {}, 1000); void c'));
  const [line] = (await once(program.stdout, "data")) as [Buffer];
  const grandchild = await identityOf(Number(line.toString()));
  expect(grandchild).not.toBeNull();
  expect((await program.identity)?.pid).toBe(program.pid);
  program.stdout.resume();
  const end = await program.stop({ firmMilliseconds: 100 });
  expect(end.signal).toBe("SIGKILL");
  await expect.poll(() => isStillRunning(grandchild!)).toBe(false);
});

test("a program that ends when its stdin ends is not killed", async () => {
  const program = await startProgram(node("process.stdin.resume(); process.stdin.on('end', () => process.exit(7))"));
  program.stdout.resume();
  expect(await program.stop({ politeMilliseconds: 20_000 })).toEqual({ code: 7, signal: null });
});

test("a process is told from a later one with its number", async () => {
  const own = await identityOf(process.pid);
  expect(own).toEqual(await identityOf(process.pid));
  expect(await isStillRunning(own!)).toBe(true);
  expect(await isStillRunning({ ...own!, startTime: "another" })).toBe(false);
  expect(await identityOf(2 ** 30)).toBeNull();
  expect(await identityOf(-1)).toBeNull();
  expect([{ pid: 1, startTime: "x" }, { pid: -1, startTime: "x" }, { pid: 1 }, null, "x", { pid: 1.5, startTime: "x" }].map((value) => parseProcessIdentity(value) !== null)).toEqual([true, false, false, false, false, false]);
});

test("the environment of a child has nothing that redirects an interpreter, and none of our secrets", () => {
  const env = cleanEnvironment({ PATH: "/bin", HOME: "/h", PYTHONPATH: "x", PYTHONHOME: "x", CONDA_PREFIX: "x", VIRTUAL_ENV: "x", NODE_OPTIONS: "x", LD_PRELOAD: "x", AVATAR_STUDIO_PASSWORD: "secret", LD_LIBRARY_PATH: "kept" }, { ADDED: "1" });
  expect(env).toEqual({ PATH: "/bin", HOME: "/h", LD_LIBRARY_PATH: "kept", ADDED: "1" });
});
