import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { repositoryRoot, runtimePaths } from "../../build/setup/paths.mjs";
import { engineMessageSchema } from "../../electron/contract/engine-messages.schema.ts";
import { engineRequestSchema } from "../../electron/contract/engine-requests.schema.ts";
import { readEngineLine } from "../../electron/server/engine/engine-line.ts";

const protocol = join(repositoryRoot, "python-runtime", "live_avatar", "protocol");
type Value = null | boolean | number | string | Value[] | { [name: string]: Value };
type Line = { note?: string; from?: "worker" | "client"; message?: Value; line?: string };

const linesOf = (file: string): Line[] => readFileSync(join(protocol, "examples", file), "utf8").split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as Line);
const conversation = linesOf("conversation.jsonl");
const messagesIn = (lines: readonly Line[]): Value[] => lines.flatMap(({ from, message }) => (from === "worker" && message !== undefined ? [message] : []));
const said = messagesIn(conversation);
/** Of a machine with cards, which a test cannot have. */
const saidWithCards = messagesIn(linesOf("cards.jsonl"));
const asked = conversation.flatMap(({ from, message }) => (from === "client" && message !== undefined ? [message] : []));

test("the documented conversation is understood, both sides", () => {
  expect(said.length).toBeGreaterThan(10);
  for (const message of [...said, ...saidWithCards]) expect(readEngineLine(JSON.stringify(message))).toMatchObject({ kind: "message", message });
  for (const request of asked) expect(engineRequestSchema.parse(request)).toEqual(request);
});

test("what a newer engine adds is passed over", () => {
  for (const message of said) {
    const more = { ...(message as Record<string, Value>), from_the_future: { x: [1] } };
    expect(readEngineLine(JSON.stringify(more))).toMatchObject({ kind: "message", message });
  }
  expect(readEngineLine('{"type":"applause","request_id":"1"}')).toEqual({ kind: "unknown", name: "applause" });
  expect(readEngineLine('{"type":"event","request_id":"1","job_id":null,"event":{"kind":"applause"}}')).toEqual({ kind: "unknown", name: "event applause" });
});

/** Values that are wrong in most places, and right in some. */
const STRANGE: readonly Value[] = [null, true, -1, 0, 1.5, 2 ** 31, "", "x", "GPU", "/absolute", [], {}, ["x"], [{}]];

/** Every way to leave out one field, or to put a strange value in its place, at any depth. */
function* mutants(value: Value): Generator<Value> {
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) for (const mutant of mutants(item)) yield value.with(index, mutant);
  } else if (typeof value === "object" && value !== null) {
    for (const [name, item] of Object.entries(value)) {
      yield Object.fromEntries(Object.entries(value).filter(([other]) => other !== name));
      for (const strange of STRANGE) yield { ...value, [name]: strange };
      for (const mutant of mutants(item)) yield { ...value, [name]: mutant };
    }
  }
}

/** Verdicts of the reference implementation of JSON Schema, in the engine's own Python. */
function verdicts(schema: string, values: readonly Value[]): boolean[] {
  const script = 'import json,sys;from jsonschema import Draft202012Validator as V;v=V(json.load(open(sys.argv[1])));print(json.dumps([v.is_valid(x) for x in json.load(sys.stdin)]))';
  const run = spawnSync(runtimePaths(repositoryRoot).python, ["-I", "-c", script, join(protocol, "schema", schema)], { input: JSON.stringify(values), encoding: "utf8", maxBuffer: 1e8 });
  if (run.status !== 0) throw new Error(run.stderr);
  return JSON.parse(run.stdout) as boolean[];
}

/** One of each type and, for events, of each kind. */
function kinds(values: readonly Value[]): Value[] {
  const found = new Map(values.map((value) => {
    const { type, event } = value as { type: string; event?: { kind: string } };
    return [`${type} ${event?.kind ?? ""}`, value];
  }));
  return [...found.values()];
}

const same = (values: readonly Value[], schema: string, accepts: (value: Value) => boolean): Value[] => {
  const truth = verdicts(schema, values);
  expect(truth).toContain(true);
  expect(truth).toContain(false);
  return values.filter((value, index) => accepts(value) !== truth[index]);
};

test("requests are accepted and refused exactly as the engine's schema does", () => {
  const values = kinds(asked).flatMap((request) => [request, { ...(request as object), unknown: 1 }, ...mutants(request)]);
  expect(values.length).toBeGreaterThan(500);
  expect(same(values, "requests.schema.json", (value) => engineRequestSchema.safeParse(value).success)).toEqual([]);
});

test("messages are accepted and refused exactly as the engine's schema does", () => {
  // Not all of them: the reference is slow, and one field's mutants are much like another's.
  const some = (messages: readonly Value[], oneOf: number): Value[] => kinds(messages).flatMap((message) => [message, ...mutants(message)]).filter((_, index) => index % oneOf === 0);
  const values = [...some(said, 3), ...some(saidWithCards, 7)];
  expect(values.length).toBeGreaterThan(500);
  expect(same(values, "messages.schema.json", (value) => engineMessageSchema.safeParse(value).success)).toEqual([]);
});
