/**
 * Times of what the timeline does between two pictures on the screen, at the size it is made for. Node cannot read TypeScript by itself everywhere:
 *
 *     npx esbuild electron/contract/document/output-lane.bench.ts --bundle --platform=node --format=esm | node --input-type=module
 */
import { applyEdit } from "./edit/apply-edit.ts";
import type { EditCommand } from "./edit/commands.ts";
import { violationsOf } from "./invariants.ts";
import { outputLane } from "./output-lane.ts";
import { edgesOf, snap, snapTargets } from "./snapping.ts";
import { hourDocument, renderedOutputs } from "./testing/hour-document.ts";
import { counter } from "./testing/sample-document.ts";

const ROUNDS = 200;
const hour = hourDocument();
const outputs = renderedOutputs(hour, "final");
const newId = counter();

/** Every round makes an edit that no earlier one has made, so that only what an edit leaves as it is can be remembered. */
function editAndCompare(command: EditCommand): void {
  const result = applyEdit(hour, command, newId);
  if (result.refused !== null) throw new Error(result.refused);
  outputLane(result.document, outputs, [], "final");
}

function time(what: string, work: (round: number) => void): void {
  const milliseconds = Array.from({ length: ROUNDS }, (_, round) => {
    const before = performance.now();
    work(round);
    return performance.now() - before;
  }).sort((a, b) => a - b);
  const at = (share: number): string => (milliseconds[Math.floor(share * (ROUNDS - 1))] ?? 0).toFixed(2).padStart(7);
  console.log(`${what.padEnd(60)} least ${at(0)} ms   median ${at(0.5)} ms   p95 ${at(0.95)} ms`);
}

const lane = outputLane(hour, outputs, [], "final");
console.log(`${lane.cells.length} clips, ${hour.audioTracks[0]?.segments.length ?? 0} pieces of sound, ${hour.prompts.length} prompts, ${lane.counts.fresh} fresh`);
time("edit of a prompt, and the output lane after it", (round) => editAndCompare({ type: "setPromptText", id: "t100", text: `other ${round}` }));
time("movement of a piece of sound, and the output lane after it", (round) => editAndCompare({ type: "moveSegments", ids: ["a500"], byFrames: round + 1, byTracks: 0 }));
time("output lane when a job reports", () => {
  outputLane(hour, outputs, [], "final");
});
time("check of all rules", () => {
  violationsOf(hour);
});
const ids = new Set(hour.audioTracks[0]?.segments.slice(0, 500).map((segment) => segment.id));
time("snap targets of a drag", () => {
  snapTargets(hour, ids, 1_234);
});
const targets = snapTargets(hour, ids, 1_234);
const edges = edgesOf(hour, ids);
time("one snap of 500 segments at once", (round) => {
  snap(edges, round + 0.4, targets, 2);
});
time("movement of 500 segments", (round) => {
  applyEdit(hour, { type: "moveSegments", ids: [...ids], byFrames: round + 1, byTracks: 0 }, newId);
});
