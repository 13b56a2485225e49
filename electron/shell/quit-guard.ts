import type { ShellWords } from "../contract/shell.ts";

/** What the user wants when something still runs or is not saved. */
export type QuitAnswer = "keep-running" | "stop-and-quit" | "cancel";

export interface QuitGuardPorts {
  /** Whether the end would cost something. A server that does not answer runs nothing. */
  readonly busy: () => Promise<boolean>;
  readonly ask: () => Promise<QuitAnswer>;
  readonly hideToTray: () => void;
  /** Ends the server, with a deadline of its own, then this process. */
  readonly end: () => Promise<void>;
}

/** All ways out of the program lead through here, so that neither a render nor an edit is lost to a slip. */
export interface QuitGuard {
  /** A request of the user; asks when something runs or is not saved. */
  readonly request: () => void;
  /** The system or a signal wants the program gone; nobody could answer a question. */
  readonly now: () => void;
}

export function createQuitGuard({ busy, ask, hideToTray, end }: QuitGuardPorts): QuitGuard {
  let state: "open" | "asking" | "ending" = "open";
  const now = (): void => {
    if (state === "ending") return;
    state = "ending";
    void end();
  };
  const decide = async (): Promise<void> => {
    const answer = (await busy().catch(() => false)) ? await ask() : "stop-and-quit";
    // A signal may have come while the question stood.
    if (state !== "asking") return;
    state = "open";
    switch (answer) {
      case "stop-and-quit":
        now();
        return;
      case "keep-running":
        hideToTray();
        return;
      case "cancel":
        return;
    }
  };
  return {
    request: () => {
      if (state !== "open") return;
      state = "asking";
      void decide();
    },
    now,
  };
}

/** The buttons of the question, in an order that keeps the harmless one first; `answers[i]` belongs to `buttons[i]`. */
export function quitQuestion(words: Pick<ShellWords, "keepRunning" | "stopAndQuit" | "cancel">): { readonly buttons: string[]; readonly answers: readonly QuitAnswer[] } {
  return { buttons: [words.keepRunning, words.stopAndQuit, words.cancel], answers: ["keep-running", "stop-and-quit", "cancel"] };
}
