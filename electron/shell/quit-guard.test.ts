import { expect, test } from "vitest";
import { type QuitAnswer, createQuitGuard, quitQuestion } from "./quit-guard.ts";

/** A guard whose question is answered by hand. */
function guarded(busy: () => Promise<boolean>) {
  const calls: string[] = [];
  const questions: ((answer: QuitAnswer) => void)[] = [];
  const guard = createQuitGuard({
    busy,
    ask: () => {
      calls.push("ask");
      return new Promise((resolve) => questions.push(resolve));
    },
    hideToTray: () => calls.push("hide"),
    end: async () => void calls.push("end"),
  });
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return { guard, calls, questions, settle };
}

test("nothing would be lost, or the server does not answer: it ends without a question", async () => {
  for (const busy of [() => Promise.resolve(false), () => Promise.reject(new Error("gone"))]) {
    const { guard, calls, settle } = guarded(busy);
    guard.request();
    await settle();
    expect(calls).toEqual(["end"]);
  }
});

test("something runs: each answer does what it says, and only an end is final", async () => {
  const { guard, calls, questions, settle } = guarded(() => Promise.resolve(true));
  for (const answer of ["cancel", "keep-running", "stop-and-quit"] as const) {
    guard.request();
    await settle();
    questions.pop()?.(answer);
    await settle();
  }
  guard.request();
  await settle();
  expect(calls).toEqual(["ask", "ask", "hide", "ask", "end"]);
});

test("asking twice shows one question", async () => {
  const { guard, calls, settle } = guarded(() => Promise.resolve(true));
  guard.request();
  guard.request();
  await settle();
  guard.request();
  expect(calls).toEqual(["ask"]);
});

test("a signal ends it while the question stands, once", async () => {
  const { guard, calls, questions, settle } = guarded(() => Promise.resolve(true));
  guard.request();
  await settle();
  guard.now();
  questions.pop()?.("cancel");
  guard.now();
  await settle();
  expect(calls).toEqual(["ask", "end"]);
});

test("the harmless answer is the first button, and buttons and answers agree", () => {
  const { buttons, answers } = quitQuestion({ keepRunning: "K", stopAndQuit: "S", cancel: "C" });
  expect(buttons.map((button, index) => [button, answers[index]])).toEqual([["K", "keep-running"], ["S", "stop-and-quit"], ["C", "cancel"]]);
});
