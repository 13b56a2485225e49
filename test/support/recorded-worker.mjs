// An engine worker of a machine with two cards, as far as the page shows it: says what is recorded in the protocol's examples, in answer to real requests.
// Started as `node recorded-worker.mjs <folder of the examples> <file for the requests>` in place of the engine.
import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

const [, , folder = "", requests = ""] = process.argv;
/** @type {(file: string) => any[]} */
const messagesOf = (file) => readFileSync(join(folder, file), "utf8").split("\n").filter((line) => line !== "").map((line) => JSON.parse(line)).flatMap(({ from, message }) => (from === "worker" && message !== undefined ? [message] : []));
const cards = messagesOf("cards.jsonl");
const [one, two] = ["conversation.jsonl", "cards.jsonl"].map((file) => (/** @type {string} */ type) => messagesOf(file).find((message) => message.type === type));
const heartbeat = two?.("heartbeat");
const loaded = one?.("loaded");
/** @type {(message: object) => void} */
const say = (message) => void process.stdout.write(`${JSON.stringify(message)}\n`);

const hello = one?.("hello");
const devices = heartbeat.ranks.map((/** @type {any} */ { rank, uuid, memory }) => ({ index: rank, name: "NVIDIA GeForce RTX 4090", uuid, capability: "8.9", memory_total: memory.total, memory_free: null }));
say({ ...hello, process: { id: process.pid, started: Date.now() / 1000 }, torch: { ...hello.torch, cuda_version: "13.0", devices } });

/** Of the job that renders. @type {{ request_id: string, job_id: string } | null} */
let job = null;
let sequence = 0;
const timer = setInterval(() => say(job === null ? { ...heartbeat, sequence: ++sequence, state: "idle", job_id: null, doing: null, ranks: [] } : { ...heartbeat, sequence: ++sequence, job_id: job.job_id }), 250);

createInterface({ input: process.stdin })
  .on("line", (line) => {
    appendFileSync(requests, `${line}\n`);
    const { type, request_id, job_id } = JSON.parse(line);
    switch (type) {
      case "load":
        return say({ ...loaded, request_id });
      case "plan":
        return say({ ...two?.("planned"), request_id });
      case "render":
        job = { request_id, job_id };
        say({ type: "accepted", ...job });
        return cards.filter((message) => message.type === "event").forEach((message) => say({ ...message, ...job }));
      case "cancel": {
        say({ type: "accepted", request_id, job_id });
        if (job !== null) say({ type: "cancelled", ...job, clips_on_disk: 0 });
        job = null;
        return;
      }
      case "shutdown":
        clearInterval(timer);
        say({ type: "bye", request_id, reason: "shutdown" });
        return process.exit(0);
      default:
        return say({ type: "error", request_id, error: { code: "WORKER_BUSY", what: "Not recorded.", why: "Not recorded.", hint: "", field: null } });
    }
  })
  .on("close", () => process.exit(0));
