import { app, dialog, nativeImage, powerMonitor, session, shell } from "electron";
import { statSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { z } from "zod";
import iconAddress from "../../resources/icons/icon.png";
import { type PathHandle, type ShellActivity, shellChannels } from "../contract/shell.ts";
import { keepCrashDumps, offerReload } from "./crashes.ts";
import { createDialogs } from "./dialogs.ts";
import { guardNavigation } from "./navigation.ts";
import { createOpenedProjects } from "./opened-projects.ts";
import { offerPageApi } from "./page-api.ts";
import { createPathRegistry } from "./path-registry.ts";
import { guardPermissions } from "./permissions.ts";
import { type StartArguments, projectArguments } from "./project-arguments.ts";
import { createQuitGuard, quitQuestion } from "./quit-guard.ts";
import { utilityServer } from "./server-child.ts";
import { createServerProcess } from "./server-process.ts";
import { shellTexts } from "./texts.ts";
import { createTrayIcon } from "./tray.ts";
import { pageFunctions } from "./trusted-sender.ts";
import { createWindow } from "./window.ts";

const startSchema = z.object({ arguments: z.array(z.string()), workingFolder: z.string() });

app.setName("Avatar Studio");
// By name, not by what Electron makes of it: the uninstaller removes this folder.
app.setPath("userData", join(app.getPath("appData"), "avatar-studio"));
const mine: StartArguments = { arguments: process.argv.slice(app.isPackaged ? 1 : 2), workingFolder: process.cwd() };
// A second start hands its projects to the first one and ends, before it has opened anything.
if (app.requestSingleInstanceLock(mine)) {
  run().catch((error: unknown) => {
    dialog.showErrorBox("Avatar Studio", error instanceof Error ? (error.stack ?? error.message) : String(error));
    app.exit(1);
  });
} else app.quit();

async function run(): Promise<void> {
  keepCrashDumps();
  // macOS tells of a double-click before the program is ready.
  const early: string[] = [];
  let openPath = (path: string): void => void early.push(path);
  app.on("open-file", (event, path) => {
    event.preventDefault();
    openPath(path);
  });
  await app.whenReady();
  const texts = shellTexts(app.getLocale());
  const icon = nativeImage.createFromDataURL(iconAddress);

  let origin = "";
  const isOurs = (address: string): boolean => {
    try {
      return origin !== "" && new URL(address).origin === origin;
    } catch {
      return false;
    }
  };

  const server = createServerProcess({
    // A package keeps models, examples and the engine's archive beside the program's own archive.
    launch: utilityServer(join(__dirname, "..", "server", "main.js"), app.isPackaged ? ["--installation", process.resourcesPath] : []),
    now: () => performance.now(),
    onState: (state) => {
      if (!window.isDestroyed()) window.webContents.send(shellChannels.serverState, state);
    },
    // The new server knows no sessions. On the same origin the page keeps its state and only needs a new cookie.
    onRestarted: (url) => void (new URL(url).origin === origin ? session.defaultSession.fetch(url, { credentials: "include" }) : show(url)),
  });
  const window = createWindow({ preload: join(__dirname, "preload.cjs"), stateFile: join(app.getPath("userData"), "window.json"), icon });
  const paths = createPathRegistry(server);
  const projects = createOpenedProjects<PathHandle>((project) => window.webContents.send(shellChannels.openProject, project));

  const show = async (url: string): Promise<void> => {
    origin = new URL(url).origin;
    projects.pageGone();
    // Rejects when a newer load takes its place.
    await window.loadURL(url).catch(() => undefined);
  };
  const load = async (): Promise<void> => {
    const answer = await server.ask({ kind: "new-token" });
    if (answer.kind === "new-token") await show(answer.url);
    else window.reload();
  };
  const showWindow = (): void => {
    tray.hide();
    if (window.isMinimized()) window.restore();
    window.show();
    window.focus();
  };

  let activity: ShellActivity = { runningJobs: 0, unsavedEdits: false, progress: null, words: texts };
  const guard = createQuitGuard({
    busy: async () => {
      if (activity.unsavedEdits) return true;
      const answer = await server.ask({ kind: "busy" });
      return answer.kind === "busy" && answer.runningJobs > 0;
    },
    ask: async () => {
      const { words } = activity;
      const { buttons, answers } = quitQuestion(words);
      const options = { type: "question" as const, message: words.quitQuestion, detail: words.quitDetail, buttons, defaultId: 0, cancelId: 2, noLink: true };
      const { response } = await (window.isVisible() ? dialog.showMessageBox(window, options) : dialog.showMessageBox(options));
      return answers[response] ?? "cancel";
    },
    hideToTray: () => {
      window.hide();
      tray.show(activity.words);
    },
    end: async () => {
      window.hide();
      tray.hide();
      await server.stop();
      app.exit(0);
    },
  });
  const tray = createTrayIcon(icon, showWindow, guard.request);

  app.on("before-quit", (event) => {
    event.preventDefault();
    guard.request();
  });
  window.on("close", (event) => {
    event.preventDefault();
    guard.request();
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, guard.now);
  powerMonitor.on("shutdown", guard.now);
  window.on("session-end", guard.now);

  guardPermissions(session.defaultSession, isOurs);
  guardNavigation(window.webContents, isOurs, (address) => void shell.openExternal(address));
  offerReload(window, texts, () => void load().catch(() => window.reload()), guard.request);
  offerPageApi({
    functions: pageFunctions(isOurs),
    window,
    dialogs: createDialogs(window, paths, join(app.getPath("userData"), "last-folders.json")),
    paths,
    onActivity: (next) => {
      activity = next;
      tray.setWords(next.words);
    },
    onReady: projects.pageReady,
    showWindow,
  });

  openPath = (path) => {
    void paths.register(path, "read").then(projects.add);
    showWindow();
  };
  app.on("second-instance", (_event, argv, workingDirectory, data) => {
    // Chromium adds switches of its own to argv, so what the other start says itself is better.
    const told = startSchema.safeParse(data);
    const start = told.success ? told.data : { arguments: argv.slice(1), workingFolder: workingDirectory };
    projectArguments(start, isFile).forEach(openPath);
    showWindow();
  });
  app.on("activate", showWindow);

  const outcome = await server.start();
  if (outcome.kind === "failed") {
    const { what, why, hint, code } = outcome.fault;
    dialog.showErrorBox(texts.serverFailed, `${what}\n${why}\n${hint}\n\n${code}`);
    app.exit(1);
    return;
  }
  for (const path of [...early.filter(isFile), ...projectArguments(mine, isFile)]) void paths.register(path, "read").then(projects.add);
  await show(outcome.url);
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
