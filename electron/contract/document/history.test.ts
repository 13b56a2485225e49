import { describe, expect, it } from "vitest";
import { endGesture, type History, labelsOf, newHistory, record, redo, undo } from "./history.ts";
import type { ProjectDocument } from "./project-document.schema.ts";
import { sampleDocument } from "./testing/sample-document.ts";

const start = sampleDocument();
const named = (name: string): ProjectDocument => ({ ...start, name });
const label = (key: string) => ({ key, values: {} });
const after = (history: History, name: string, gesture: string | null = null): History => record(history, named(name), label(name), gesture);
const keys = (history: History): string[] => labelsOf(history.past).map((one) => one.key);

describe("history", () => {
  it("names its steps, newest first, and counts them", () => {
    const history = after(after(newHistory(start), "one"), "two");
    expect(keys(history)).toEqual(["two", "one"]);
    expect(history.past?.count).toBe(2);
    expect(labelsOf(undo(history).future).map((one) => one.key)).toEqual(["two"]);
    expect(labelsOf(history.past, 1)).toEqual([label("two")]);
  });

  it("drops what was undone when something new is done", () => {
    const history = after(undo(after(newHistory(start), "one")), "two");
    expect(history.future).toBeNull();
    expect(keys(history)).toEqual(["two"]);
  });

  it("does nothing at its ends, and for an edit that changed nothing", () => {
    const history = newHistory(start);
    expect(undo(history)).toBe(history);
    expect(redo(history)).toBe(history);
    expect(record(history, start, label("nothing"))).toBe(history);
  });

  it("makes one step of a gesture, with the newest name, and takes all of it back at once", () => {
    const history = after(after(after(after(newHistory(start), "before"), "a", "drag"), "b", "drag"), "c", "drag");
    expect(keys(history)).toEqual(["c", "before"]);
    expect(history.present.name).toBe("c");
    expect(undo(history).present.name).toBe("before");
    expect(redo(undo(history)).present.name).toBe("c");
  });

  it("begins a new step for another gesture, after the end of one, and after an undo", () => {
    expect(keys(after(after(newHistory(start), "a", "one"), "b", "two"))).toEqual(["b", "a"]);
    expect(keys(after(endGesture(after(newHistory(start), "a", "typing")), "b", "typing"))).toEqual(["b", "a"]);
    const undone = undo(after(after(newHistory(start), "a", "drag"), "b", "other"));
    expect(keys(after(undone, "c", "drag"))).toEqual(["c", "a"]);
  });

  it("leaves no step of a gesture that ends where it began", () => {
    const first = after(newHistory(start), "first");
    const back = record(after(first, "a", "drag"), first.present, label("b"), "drag");
    expect(keys(back)).toEqual(["first"]);
    expect(back.present).toBe(first.present);
  });

  it("shares the document with its steps", () => {
    expect(undo(after(newHistory(start), "one")).present).toBe(start);
  });
});
