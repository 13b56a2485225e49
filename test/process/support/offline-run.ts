import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { startStudio } from "../../support/studio.ts";
import { connectTo } from "../../support/studio-client.ts";

/**
 * Makes a preview with the demo model, in a network of nothing but this machine (its starter sees to that), and prints as JSON how it ended and how often anything
 * at all tried to reach another machine meanwhile: the kernel of that network counts what has no way out.
 */

/** Packets and connections for which there was no way. */
function attempts(): number {
  const [names, values] = readFileSync("/proc/net/snmp", "utf8").split("\n").filter((line) => line.startsWith("Ip: ")).map((line) => line.split(" "));
  const v6 = /^Ip6OutNoRoutes\s+(\d+)$/m.exec(readFileSync("/proc/net/snmp6", "utf8"))?.[1] ?? "0";
  return Number(values?.[names?.indexOf("OutNoRoutes") ?? -1]) + Number(v6);
}

/** Proves that the counter counts. */
async function attemptOnPurpose(): Promise<void> {
  await new Promise<void>((resolve) => {
    connect(80, "192.0.2.1").once("error", () => resolve());
  });
}

const before = attempts();
const studio = await startStudio();
let outcome = "no job";
try {
  const client = await connectTo(studio.link);
  // Everything that a page asks for when it opens.
  await Promise.all([client.rpc.models.list(), client.rpc.models.store(), client.rpc.render.presets({ projectId: null }), client.rpc.projects.examples()]);
  const { projectId } = await client.rpc.projects.create({ name: "Offline", example: "anna" });
  const { jobId } = await client.rpc.jobs.render({ projectId, quality: "preview", scope: { kind: "range", start: 0, end: 10 } });
  for await (const jobs of await client.rpc.jobs.watch()) {
    const state = jobs.find((job) => job.id === jobId)?.state;
    if (state === undefined || ["queued", "running", "stopping"].includes(state.status)) continue;
    outcome = state.status;
    break;
  }
  client.close();
} finally {
  await studio.stop();
}
const during = attempts() - before;
await attemptOnPurpose();
process.stdout.write(`${JSON.stringify({ outcome, attempts: during, counted: attempts() - before - during })}\n`);
