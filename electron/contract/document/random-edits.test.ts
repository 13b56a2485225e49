import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { applyEdit } from "./edit/apply-edit.ts";
import { labelOf } from "./edit/labels.ts";
import { type History, labelsOf, newHistory, record, redo, undo } from "./history.ts";
import { violationsOf } from "./invariants.ts";
import { projectDocumentSchema, type ProjectDocument } from "./project-document.schema.ts";
import { anyEdit, type RandomEdit } from "./testing/random-edits.ts";
import { counter, deepFreeze, sampleDocument } from "./testing/sample-document.ts";

// Many random cases, on machines that do other things as well.
vi.setConfig({ testTimeout: 60_000 });

/** Every document that a sequence of edits leads through, with its history. Each one is frozen, so that an edit that changes it throws. */
function lead(edits: readonly RandomEdit[]): { history: History; documents: ProjectDocument[]; refused: number } {
  const newId = counter("r");
  let history = newHistory(sampleDocument());
  const documents = [history.present];
  let refused = 0;
  for (const edit of edits) {
    const command = edit(history.present);
    const result = applyEdit(history.present, command, newId);
    if (result.refused !== null) refused += 1;
    else if (result.document !== history.present) {
      history = record(history, deepFreeze(result.document), labelOf(command));
      documents.push(result.document);
    }
  }
  return { history, documents, refused };
}

describe("any sequence of edits", () => {
  it("keeps every rule of the document, and the schema", () => {
    fc.assert(
      fc.property(fc.array(anyEdit, { maxLength: 40, size: "max" }), (edits) => {
        for (const document of lead(edits).documents) {
          expect(violationsOf(document)).toEqual([]);
          const parsed = projectDocumentSchema.safeParse(document);
          expect(parsed.error?.issues ?? []).toEqual([]);
        }
      }),
      { numRuns: 150 },
    );
  });

  it("can be taken back and done again, to the byte", () => {
    fc.assert(
      fc.property(fc.array(anyEdit, { maxLength: 40, size: "max" }), (edits) => {
        const { history, documents } = lead(edits);
        const bytes = documents.map((document) => JSON.stringify(document));
        const steps = documents.length - 1;
        expect(history.past?.count ?? 0).toBe(steps);
        expect(labelsOf(history.past)).toHaveLength(steps);

        let at = history;
        for (let step = steps - 1; step >= 0; step -= 1) {
          at = undo(at);
          expect(JSON.stringify(at.present)).toBe(bytes[step]);
        }
        expect(at.past).toBeNull();
        expect(labelsOf(at.future).reverse()).toEqual(labelsOf(history.past));
        for (let step = 1; step <= steps; step += 1) {
          at = redo(at);
          expect(JSON.stringify(at.present)).toBe(bytes[step]);
        }
        expect(labelsOf(at.past)).toEqual(labelsOf(history.past));
        expect(redo(at)).toBe(at);
      }),
      { numRuns: 150 },
    );
  });

  it("is mostly not refused, or the tests here would prove nothing", () => {
    const samples = fc.sample(fc.array(anyEdit, { minLength: 20, maxLength: 20 }), { numRuns: 100, seed: 1 });
    const refused = samples.reduce((sum, edits) => sum + lead(edits).refused, 0);
    expect(refused).toBeLessThan(0.4 * 100 * 20);
  });
});
