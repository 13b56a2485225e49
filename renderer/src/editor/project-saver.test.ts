import { describe, expect, test, vi } from "vitest";
import { newDocument } from "../../../electron/contract/document/new-document.ts";
import type { ProjectDocument } from "../../../electron/contract/document/project-document.schema.ts";
import { createProjectSaver, type ProjectStorage, type SavedVersion, type SaveOutcome } from "./project-saver.ts";

const first: ProjectDocument = newDocument({ id: "p", name: "0", audioTrackId: "t", audioTrackName: "Voice 1", baseSeed: 1 });
const named = (name: string): ProjectDocument => ({ ...first, name });

/** A server that answers when it is told to. */
function standIn() {
  const requests: { readonly name: string; readonly base: number; readonly answer: (outcome: SaveOutcome) => void }[] = [];
  let newest: SavedVersion | null = null;
  let retry = (): void => undefined;
  const storage: ProjectStorage = {
    save: (document, base) => new Promise((answer) => requests.push({ name: document.name, base, answer })),
    newest: () => Promise.resolve(newest),
    untilWorthRetrying: () => new Promise((resolve) => (retry = resolve)),
  };
  const saver = createProjectSaver(storage, { document: first, revision: 5 }, () => undefined);
  const answer = async (outcome: SaveOutcome) => {
    const count = requests.length;
    requests.at(-1)?.answer(outcome);
    // All that follows from the answer happens in microtasks; a new request or a state at rest ends it.
    await vi.waitFor(() => expect(requests.length > count || saver.state().kind !== "saving").toBe(true));
  };
  return { saver, requests, answer, setNewest: (version: SavedVersion) => (newest = version), retryNow: () => retry() };
}

describe("saving", () => {
  test("one request at a time, and only the newest document after it", async () => {
    const { saver, requests, answer } = standIn();
    saver.save(named("1"));
    saver.save(named("2"));
    saver.save(named("3"));
    expect(requests.map(({ name }) => name)).toEqual(["1"]);
    expect(saver.state().kind).toBe("saving");
    await answer({ kind: "saved", revision: 6 });
    expect(requests.map(({ name, base }) => [name, base])).toEqual([["1", 5], ["3", 6]]);
    await answer({ kind: "saved", revision: 7 });
    expect(saver.state().kind).toBe("saved");
    expect(saver.revision()).toBe(7);
  });

  test("what has no answer is sent again when the server is back", async () => {
    const { saver, requests, answer, retryNow } = standIn();
    saver.save(named("1"));
    await answer({ kind: "no-answer" });
    expect(saver.state().kind).toBe("waiting");
    saver.save(named("2"));
    retryNow();
    await vi.waitFor(() => expect(requests).toHaveLength(2));
    expect(requests[1]).toMatchObject({ name: "2", base: 5 });
    await answer({ kind: "saved", revision: 6 });
    expect(saver.state().kind).toBe("saved");
  });

  test("a save whose answer was lost is not taken for another window's", async () => {
    const { saver, requests, answer, retryNow, setNewest } = standIn();
    saver.save(named("1"));
    await answer({ kind: "no-answer" });
    retryNow();
    await vi.waitFor(() => expect(requests).toHaveLength(2));
    // The server writes the fields in its own order.
    const { name, ...rest } = named("1");
    setNewest({ document: { name, ...rest }, revision: 6 });
    await answer({ kind: "changed-elsewhere" });
    expect(saver.state().kind).toBe("saved");
    expect(saver.revision()).toBe(6);
  });

  test("what a crashed server took but had not written is sent again, without a question", async () => {
    const { saver, requests, answer, setNewest } = standIn();
    saver.save(named("1"));
    await answer({ kind: "saved", revision: 6 });
    saver.save(named("2"));
    setNewest({ document: first, revision: 5 });
    await answer({ kind: "changed-elsewhere" });
    expect(requests.at(-1)).toMatchObject({ name: "2", base: 5 });
    await answer({ kind: "saved", revision: 6 });
    expect(saver.state().kind).toBe("saved");
  });

  test("a refusal is told and tried again with the next edit", async () => {
    const { saver, requests, answer } = standIn();
    const fault = { code: "DISK_FULL", what: "Full", why: "", hint: "", field: null };
    saver.save(named("1"));
    await answer({ kind: "refused", fault });
    expect(saver.state()).toEqual({ kind: "failed", fault });
    saver.save(named("2"));
    await vi.waitFor(() => expect(requests).toHaveLength(2));
    await answer({ kind: "saved", revision: 6 });
    expect(saver.state().kind).toBe("saved");
  });
});

describe("two windows", () => {
  test("the other's document is taken over when there is nothing of our own", () => {
    const { saver } = standIn();
    expect(saver.savedElsewhere({ document: named("theirs"), revision: 6 })).toBe(true);
    expect(saver.revision()).toBe(6);
    expect(saver.savedElsewhere({ document: named("older"), revision: 6 })).toBe(false);
  });

  async function conflict() {
    const parts = standIn();
    parts.saver.save(named("mine"));
    parts.setNewest({ document: named("theirs"), revision: 6 });
    await parts.answer({ kind: "changed-elsewhere" });
    expect(parts.saver.state().kind).toBe("conflict");
    return parts;
  }

  test("both changed: nothing is sent until the user decides", async () => {
    const { saver, requests } = await conflict();
    saver.save(named("mine 2"));
    expect(requests).toHaveLength(1);
    expect(saver.savedElsewhere({ document: named("theirs 2"), revision: 7 })).toBe(false);
    expect(saver.state()).toMatchObject({ kind: "conflict", theirs: { revision: 7 } });
  });

  test("keep mine: sent on top of theirs", async () => {
    const { saver, requests, answer } = await conflict();
    saver.save(named("mine 2"));
    saver.keepMine();
    expect(requests[1]).toMatchObject({ name: "mine 2", base: 6 });
    await answer({ kind: "saved", revision: 7 });
    expect(saver.state().kind).toBe("saved");
  });

  test("take theirs: nothing is sent", async () => {
    const { saver, requests } = await conflict();
    expect(saver.takeTheirs()?.name).toBe("theirs");
    expect(saver.state().kind).toBe("saved");
    expect(saver.revision()).toBe(6);
    expect(requests).toHaveLength(1);
  });
});
