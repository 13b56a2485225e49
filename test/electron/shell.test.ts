import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { App, Dialog } from "electron";
import { afterEach, describe, expect, test } from "vitest";
import type { AvatarShell, PathHandle, ServerState, ShellActivity } from "../../electron/contract/shell.ts";
import { repositoryRoot } from "../../build/setup/paths.mjs";
import { type RunningShell, type ShellOptions, startShell } from "../support/shell.ts";

declare global {
  interface Window {
    readonly avatarShell?: AvatarShell;
    /** What a test's page has heard so far. */
    heard?: unknown[];
  }
}

/** Exactly what a page may have; a new function in the contract must be added here by hand. */
const SURFACE: Record<keyof AvatarShell, "string" | "function"> = {
  platform: "string",
  chooseFiles: "function",
  chooseTarget: "function",
  handleOfFile: "function",
  reveal: "function",
  openLink: "function",
  setMenu: "function",
  setActivity: "function",
  notify: "function",
  onMenuAction: "function",
  onOpenProject: "function",
  onServerState: "function",
};

const WORDS: ShellActivity["words"] = { quitQuestion: "Quit?", quitDetail: "It runs.", keepRunning: "Keep", stopAndQuit: "Stop", cancel: "Cancel", open: "Open", quit: "Quit" };

let shell: RunningShell | null = null;

async function start(options: ShellOptions): Promise<RunningShell> {
  shell = await startShell(options);
  return shell;
}

afterEach(async () => {
  await shell?.clean();
  shell = null;
});

/** Every message box is answered with `response`; how many there were is counted. */
async function answerDialogs(running: RunningShell, response: number): Promise<() => Promise<number>> {
  await running.app.evaluate(({ dialog }: { dialog: Dialog }, answer: number) => {
    const counter = globalThis as { messageBoxes?: number };
    counter.messageBoxes = 0;
    dialog.showMessageBox = () => {
      counter.messageBoxes = (counter.messageBoxes ?? 0) + 1;
      return Promise.resolve({ response: answer, checkboxChecked: false });
    };
  }, response);
  return () => running.app.evaluate(() => (globalThis as { messageBoxes?: number }).messageBoxes ?? 0);
}

const isVisible = (running: RunningShell): Promise<boolean> => running.app.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0]?.isVisible() ?? false);
const quit = (running: RunningShell): Promise<void> => running.app.evaluate(({ app }) => void setImmediate(() => app.quit()));

/** Chromium's helpers notice a moment later that the main process has ended. */
const expectNoProcess = (running: RunningShell): Promise<void> => expect.poll(running.family).toEqual([]);

describe("with a stand-in for the server", () => {
  test("the page has exactly the declared functions, and nothing of Node", async () => {
    const page = await (await start({ standIn: "idle" })).page();
    const surface = await page.evaluate(() => Object.fromEntries(Object.entries(window.avatarShell ?? {}).map(([name, value]) => [name, typeof value])));
    expect(surface).toEqual(SURFACE);
    expect(await page.evaluate(() => ["require", "process", "module", "Buffer", "global"].filter((name) => name in window))).toEqual([]);
    expect(await page.evaluate(() => {
      const frame = document.createElement("iframe");
      document.body.append(frame);
      return "avatarShell" in (frame.contentWindow ?? {});
    })).toBe(false);
  });

  test("what does not fit its schema is refused, and the shell lives on", async () => {
    const page = await (await start({ standIn: "idle" })).page();
    const refusals = await page.evaluate(async () => {
      const api = window.avatarShell as unknown as Record<string, (value: unknown) => Promise<unknown>>;
      const bad: [string, unknown][] = [
        ["setMenu", "x"],
        ["setMenu", Array.from({ length: 1_000 }, () => ({ label: "x", role: null, items: [] }))],
        ["chooseFiles", { kind: "../../etc", title: "x", filters: [], multiple: false, folder: false }],
        ["chooseTarget", { kind: "video", title: "x", suggestedName: "../x.mp4", filters: [] }],
        ["setActivity", { runningJobs: -1, unsavedEdits: false, progress: 7, words: {} }],
        ["notify", null],
        ["reveal", 7],
      ];
      return Promise.all(bad.map(([name, value]) => (api[name]?.(value) ?? Promise.resolve()).then(() => `${name} was taken`, () => "refused")));
    });
    expect(new Set(refusals)).toEqual(new Set(["refused"]));
    expect(await page.evaluate(() => window.avatarShell?.openLink("file:///etc/passwd"))).toBe(false);
  });

  test("the page's menu becomes the native one, and a click tells the page", async () => {
    const running = await start({ standIn: "idle" });
    const page = await running.page();
    await page.evaluate(async () => {
      window.heard = [];
      window.avatarShell?.onMenuAction((id) => window.heard?.push(id));
      await window.avatarShell?.setMenu([
        { label: "File", role: null, items: [{ kind: "action", id: "project.new", label: "New", accelerator: "CmdOrCtrl+N", enabled: true, checked: null }, { kind: "separator" }, { kind: "submenu", label: "More", items: [] }] },
      ]);
    });
    const labels = await running.app.evaluate(({ Menu }) => {
      const menu = Menu.getApplicationMenu();
      menu?.getMenuItemById("project.new")?.click();
      return menu?.items.map(({ label, submenu }) => [label, submenu?.items.map((item) => item.label || item.type)]);
    });
    expect(labels).toEqual([["File", ["New", "separator", "More"]]]);
    await page.waitForFunction(() => window.heard?.length === 1);
    expect(await page.evaluate(() => window.heard)).toEqual(["project.new"]);
  });

  test("a native dialog gives a handle and a name, never a path, and remembers its folder", async () => {
    const running = await start({ standIn: "idle" });
    const file = join(running.home, "portrait 肖像.png");
    writeFileSync(file, "");
    await running.app.evaluate(({ dialog }: { dialog: Dialog }, path: string) => {
      const asked = globalThis as { asked?: unknown[] };
      asked.asked = [];
      dialog.showOpenDialog = (...all: unknown[]) => {
        asked.asked?.push((all[1] as { defaultPath?: string }).defaultPath ?? null);
        return Promise.resolve({ canceled: false, filePaths: [path] });
      };
      dialog.showSaveDialog = () => Promise.resolve({ canceled: true, filePath: "" });
    }, file);
    const page = await running.page();
    const request = { kind: "portrait", title: "Portrait", filters: [{ name: "Pictures", extensions: ["png"] }], multiple: false, folder: false } as const;
    const chosen = await page.evaluate((value) => window.avatarShell?.chooseFiles(value), request);
    expect(chosen).toEqual([{ handle: expect.stringMatching(/^handle-\d+$/), name: "portrait 肖像.png" }]);
    await page.evaluate((value) => window.avatarShell?.chooseFiles(value), request);
    expect(await running.app.evaluate(() => (globalThis as { asked?: unknown[] }).asked)).toEqual([null, running.home]);
    expect(await page.evaluate(() => window.avatarShell?.chooseTarget({ kind: "video", title: "Save", suggestedName: "a.mp4", filters: [] }))).toBeNull();
  });

  test("the window stays on the studio's page", async () => {
    const running = await start({ standIn: "idle" });
    const page = await running.page();
    const origin = new URL(page.url()).origin;
    // Playwright loses an old Chromium's page over what is refused here, so the main process is asked.
    const prevented = await running.app.evaluate(({ BrowserWindow }) => {
      const contents = BrowserWindow.getAllWindows()[0]?.webContents;
      return new Promise((resolve) => {
        contents?.on("will-navigate", (event, url) => setImmediate(() => resolve([url, event.defaultPrevented])));
        void contents?.executeJavaScript('location.href = "https://example.org/"; 0');
      });
    });
    expect(prevented).toEqual(["https://example.org/", true]);
    const address = await running.app.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0]?.webContents.getURL() ?? "");
    expect(new URL(address).origin).toBe(origin);

    const outside = await running.app.evaluate(({ BrowserWindow, shell: system }) => new Promise<string>((resolve) => {
      system.openExternal = (link) => {
        resolve(link);
        return Promise.resolve();
      };
      void BrowserWindow.getAllWindows()[0]?.webContents.executeJavaScript('window.open("https://github.com/"); 0');
    }));
    expect(outside).toBe("https://github.com/");
    expect(await running.app.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows().length)).toBe(1);
  });

  test("of the permissions only the microphone, the full screen and copying are given", async () => {
    const page = await (await start({ standIn: "idle" })).page();
    const answers = await page.evaluate(async () => {
      const outcome = (promise: Promise<unknown>): Promise<string> => promise.then(() => "given", (error: unknown) => (error as Error).name);
      return {
        camera: await outcome(navigator.mediaDevices.getUserMedia({ video: true })),
        both: await outcome(navigator.mediaDevices.getUserMedia({ video: true, audio: true })),
        // There is no microphone here: asking may fail for that, not for want of permission.
        microphone: await outcome(navigator.mediaDevices.getUserMedia({ audio: true })),
        notices: await Notification.requestPermission(),
        place: await new Promise((resolve) => navigator.geolocation.getCurrentPosition(() => resolve("given"), (error) => resolve(error.code === error.PERMISSION_DENIED ? "denied" : error.code))),
      };
    });
    expect(answers).toMatchObject({ camera: expect.not.stringMatching("given"), both: expect.not.stringMatching("given"), notices: "denied", place: "denied" });
    expect(answers.microphone).not.toBe("NotAllowedError");
  });

  test("a second start hands its project to the first and ends", async () => {
    const running = await start({ standIn: "idle" });
    const page = await running.page();
    await page.evaluate(() => {
      window.heard = [];
      window.avatarShell?.onOpenProject((project) => window.heard?.push(project));
    });
    const project = join(running.home, "my film", "project.avatar");
    mkdirSync(join(running.home, "my film"));
    writeFileSync(project, "{}");
    expect(await running.startAgain([project, join(running.home, "missing.avatar"), "--flag"])).toBe(0);
    await page.waitForFunction(() => window.heard?.length === 1);
    expect((await page.evaluate(() => window.heard as PathHandle[])).map(({ name }) => name)).toEqual(["project.avatar"]);
  });

  test("a project on the command line waits until the page listens", async () => {
    const home = join((await start({ standIn: "idle" })).home);
    await shell?.clean();
    mkdirSync(home, { recursive: true });
    writeFileSync(join(home, "project.avatar"), "{}");
    const page = await (await start({ standIn: "idle", home, arguments: [join(home, "project.avatar")] })).page();
    const opened = await page.evaluate(() => new Promise((resolve) => window.avatarShell?.onOpenProject(resolve)));
    expect(opened).toMatchObject({ name: "project.avatar" });
  });

  test("nothing runs: it quits without a question, and leaves no process", async () => {
    const running = await start({ standIn: "idle" });
    await running.page();
    const count = await answerDialogs(running, 2);
    expect(await count()).toBe(0);
    await quit(running);
    expect(await running.ended).toBe(0);
    await expectNoProcess(running);
  });

  test("something runs: cancel stays, background hides the window, stop ends everything", async () => {
    const running = await start({ standIn: "busy" });
    const page = await running.page();
    await page.evaluate((words) => window.avatarShell?.setActivity({ runningJobs: 1, unsavedEdits: false, progress: 0.5, words }), WORDS);

    let count = await answerDialogs(running, 2);
    await quit(running);
    await expect.poll(count).toBe(1);
    expect(await isVisible(running)).toBe(true);

    count = await answerDialogs(running, 0);
    await running.app.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0]?.close());
    await expect.poll(() => isVisible(running)).toBe(false);
    expect(await count()).toBe(1);
    // The page goes on in the background, and a second start brings the window back.
    expect(await page.evaluate(() => document.title)).toBe("Stand-in");
    await running.startAgain([]);
    await expect.poll(() => isVisible(running)).toBe(true);

    await answerDialogs(running, 1);
    await quit(running);
    expect(await running.ended).toBe(0);
    await expectNoProcess(running);
  });

  test("edits are not saved: it asks too, and quits without them only when told so", async () => {
    const running = await start({ standIn: "idle" });
    const page = await running.page();
    await page.evaluate((words) => window.avatarShell?.setActivity({ runningJobs: 0, unsavedEdits: true, progress: null, words }), WORDS);
    const count = await answerDialogs(running, 2);
    await quit(running);
    await expect.poll(count).toBe(1);
    expect(await isVisible(running)).toBe(true);
    await answerDialogs(running, 1);
    await quit(running);
    expect(await running.ended).toBe(0);
    await expectNoProcess(running);
  });

  test("a signal ends it without a question", async () => {
    const running = await start({ standIn: "busy" });
    await running.page();
    await answerDialogs(running, 2);
    running.app.process().kill("SIGTERM");
    expect(await running.ended).toBe(0);
    await expectNoProcess(running);
  });

  test("the shell is killed: its server ends too", async () => {
    const running = await start({ standIn: "idle" });
    await running.page();
    running.app.process().kill("SIGKILL");
    await running.ended;
    await expect.poll(() => running.family().filter(({ command }) => command.some((word) => word.endsWith("main.js")))).toEqual([]);
  });

  test("a page that crashed is offered again, with a new session", async () => {
    const running = await start({ standIn: "idle" });
    await running.page();
    const count = await answerDialogs(running, 0);
    await running.app.evaluate(({ BrowserWindow }) => {
      const contents = BrowserWindow.getAllWindows()[0]?.webContents;
      if (contents !== undefined) process.kill(contents.getOSProcessId(), "SIGKILL");
    });
    await expect.poll(count).toBe(1);
    const shown = () =>
      running.app.evaluate(({ BrowserWindow }) => {
        const answer = BrowserWindow.getAllWindows()[0]?.webContents.executeJavaScript("document.title + typeof avatarShell");
        // A page that has not begun to load anew never answers.
        return Promise.race([answer, new Promise((resolve) => setTimeout(resolve, 500, "no answer"))]);
      });
    await expect.poll(shown).toBe("Stand-inobject");
  });

  test("a server that cannot start is explained, with its code", async () => {
    const running = await start({ standIn: "fails" });
    const ending = running.app.evaluate(({ app, dialog }: { app: App; dialog: Dialog }) => {
      const exit = app.exit.bind(app);
      return new Promise<{ text: string; code: number | undefined }>((resolve) => {
        let text = "";
        dialog.showErrorBox = (_title, content) => {
          text = content;
        };
        // The program stays until the test has heard what it said.
        app.exit = (code) => {
          app.exit = exit;
          resolve({ text, code });
        };
      });
    });
    writeFileSync(join(running.home, "go"), "");
    expect(await ending).toEqual({ text: expect.stringContaining("DATA_FOLDER_IN_USE"), code: 1 });
    await running.app.evaluate(({ app }) => void setImmediate(() => app.exit(1)));
    expect(await running.ended).toBe(1);
    await expectNoProcess(running);
  });

  test("a server that dies is started again, and given up when it keeps dying", async () => {
    const running = await start({ standIn: "dies" });
    const page = await running.app.firstWindow();
    const states = await page.evaluate(() => new Promise<ServerState[]>((resolve) => {
      const seen: ServerState[] = [];
      window.avatarShell?.onServerState((state) => {
        seen.push(state);
        if (state.kind === "stopped") resolve(seen);
      });
    }));
    expect(states.filter(({ kind }) => kind === "restarting").length).toBeGreaterThan(0);
    expect(states.at(-1)).toMatchObject({ kind: "stopped", fault: { code: "SERVER_KEEPS_ENDING" } });
  });
});

describe("with the real server", () => {
  test("it opens, loads with the token, and quits clean", async () => {
    const running = await start({});
    const page = await running.page();
    await page.waitForFunction(() => (document.querySelector("#root")?.childElementCount ?? 0) > 0);
    // The token is gone from the address: exchanged for a cookie that the page cannot read.
    expect(new URL(page.url()).search).toBe("");
    expect(await page.evaluate(() => document.cookie)).toBe("");
    expect(await page.evaluate(async () => (await fetch("/", { cache: "no-store" })).status)).toBe(200);
    expect(await page.evaluate(() => Object.keys(window.avatarShell ?? {}).sort())).toEqual(Object.keys(SURFACE).sort());
    await quit(running);
    expect(await running.ended).toBe(0);
    await expectNoProcess(running);
  });

  test("its server is killed: another takes its place and the page keeps its session", async () => {
    const running = await start({});
    const page = await running.page();
    await page.evaluate(() => {
      window.heard = [];
      window.avatarShell?.onServerState((state) => window.heard?.push(state.kind));
    });
    const servers = running.family().filter(({ command }) => command.some((word) => word.endsWith(join("server", "main.js"))));
    for (const { pid } of servers) process.kill(pid, "SIGKILL");
    await page.waitForFunction(() => window.heard?.includes("running"));
    await expect.poll(() => page.evaluate(async () => (await fetch("/", { cache: "no-store" })).status)).toBe(200);
    expect(await page.evaluate(() => window.heard)).toEqual(["restarting", "running"]);
  });

  test("a chosen file's handle is one that the server takes", async () => {
    const running = await start({});
    const page = await running.page();
    const portrait = join(repositoryRoot, "resources", "examples", "anna", "portrait.png");
    await running.app.evaluate(({ dialog }: { dialog: Dialog }, path: string) => {
      dialog.showOpenDialog = () => Promise.resolve({ canceled: false, filePaths: [path] });
    }, portrait);
    const chosen = await page.evaluate(() => window.avatarShell?.chooseFiles({ kind: "portrait", title: "Portrait", filters: [], multiple: false, folder: false }));
    expect(chosen).toEqual([{ handle: expect.stringMatching(/.{16,}/), name: "portrait.png" }]);
    expect(JSON.stringify(chosen)).not.toContain("resources");
  });
});
