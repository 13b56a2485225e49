import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FaultError } from "../common/fault-error.ts";
import { repairRuntime } from "./repair-runtime.ts";

let installation: string;
beforeEach(() => void (installation = mkdtempSync(join(tmpdir(), "avatar-studio-repair-"))));
afterEach(() => rmSync(installation, { recursive: true }));

/** A set-up that does what its test says, in a real process. */
function setUp(script: string): void {
  mkdirSync(join(installation, "build", "setup"), { recursive: true });
  writeFileSync(join(installation, "build", "setup", "main.mjs"), script);
}
const repair = async (onStep: (step: string) => void = () => undefined, signal = new AbortController().signal): Promise<void> => repairRuntime({ override: null, installation, installed: join(installation, "runtimes") }, onStep, signal);
const faultOf = async (promise: Promise<void>): Promise<unknown> => promise.then(() => "repaired", (error: unknown) => (error instanceof FaultError ? error.fault : error));

test("runs the checkout's set-up and tells its steps", async () => {
  setUp(`import { writeFileSync } from "node:fs"; console.error("Set-up: installing PyTorch"); console.error("noise"); console.error("Set-up: ready after 3 s"); writeFileSync(new URL("args", import.meta.url), process.argv.slice(2).join(" "));`);
  const steps: string[] = [];
  await repair((step) => steps.push(step));
  expect(steps).toEqual(["installing PyTorch", "ready after 3 s"]);
  expect(readFileSync(join(installation, "build", "setup", "args"), "utf8")).toBe("--repair");
});

test("a set-up that fails says why, in its own words", async () => {
  setUp(`console.error("Set-up: installing"); console.error("\\nError: The packages could not be installed.\\n  There is no network.\\n  Connect, then try again."); process.exit(1);`);
  expect(await faultOf(repair())).toMatchObject({ code: "REPAIR_FAILED", why: "The packages could not be installed. There is no network. Connect, then try again." });
});

test("without a checkout, or with a runtime of the user's own, it is refused", async () => {
  expect(await faultOf(repair())).toMatchObject({ code: "REPAIR_NOT_HERE" });
  setUp("process.exit(0)");
  expect(await faultOf(repairRuntime({ override: "/somewhere", installation, installed: "" }, () => undefined, new AbortController().signal))).toMatchObject({ code: "REPAIR_NOT_HERE" });
});

test("ends with the studio, and leaves no process", async () => {
  setUp(`import { writeFileSync } from "node:fs"; console.error("Set-up: waiting"); writeFileSync(new URL("pid", import.meta.url), String(process.pid)); setInterval(() => undefined, 1000);`);
  const closing = new AbortController();
  const place = join(installation, "build", "setup", "pid");
  const repairing = repair(() => undefined, closing.signal);
  await vi.waitFor(() => expect(existsSync(place) && readFileSync(place, "utf8") !== "").toBe(true), { timeout: 10_000 });
  closing.abort(new Error("closed"));
  await expect(repairing).rejects.toThrow("closed");
  expect(() => process.kill(Number(readFileSync(place, "utf8")), 0)).toThrow();
});
