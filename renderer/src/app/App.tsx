import { Suspense, useEffect, type ComponentType } from "react";
import { useTranslation } from "react-i18next";
import { actionRegistry } from "../actions/actions.ts";
import { listenForShortcuts } from "../actions/keyboard.ts";
import { waitsForServer } from "../editor/left-sessions.ts";
import { Spinner } from "../ui/Spinner.tsx";
import { Toasts } from "../ui/Toasts.tsx";
import { TooltipProvider } from "../ui/Tooltip.tsx";
import { actions } from "./actions.ts";
import styles from "./App.module.css";
import { AppBar } from "./AppBar.tsx";
import { AppDialogs } from "./AppDialogs.tsx";
import { ScreenCrash } from "./Crash.tsx";
import { ErrorBoundary } from "./ErrorBoundary.tsx";
import { followInfo } from "./info.ts";
import { fetchParts, lazyPart } from "./lazy-part.ts";
import { useRoute } from "./navigation.ts";
import { useApplySettings } from "./preferences.ts";
import type { Route } from "./routes.ts";
import { shell } from "./shell.ts";
import { StatusBars } from "./StatusBars.tsx";
import { useShell } from "./use-shell.ts";

const Home = lazyPart(() => import("../features/home/Home.tsx"));
const NewVideo = lazyPart(() => import("../features/new-video/NewVideo.tsx"));
const Studio = lazyPart(() => import("../features/studio/Studio.tsx"));
const Queue = lazyPart(() => import("../features/queue/Queue.tsx"));
const Setup = lazyPart(() => import("../features/setup/Setup.tsx"));
const Settings = lazyPart(() => import("../features/settings/Settings.tsx"));

/** The page's frame: what every screen has around it. */
export function App() {
  useApplySettings();
  useEffect(() => {
    const stops = [actionRegistry.add(actions), listenForShortcuts(), followInfo(), keepFilesOut(), askBeforeLeaving()];
    return () => stops.forEach((stop) => stop());
  }, []);
  // Its own, so that they come after the parts of the screen that is shown.
  useEffect(() => void fetchParts(), []);
  const route = useRoute();
  return (
    <TooltipProvider>
      <div className={styles.app}>
        <ShellLink />
        <AppBar />
        <StatusBars />
        <ErrorBoundary key={keyOf(route)} fallback={(error) => <ScreenCrash error={error} />}>
          <Suspense fallback={<Loading />}>
            <main className={styles.screen} id="screen" tabIndex={-1}>
              <Screen route={route} />
            </main>
          </Suspense>
        </ErrorBoundary>
      </div>
      <AppDialogs />
      <Toasts />
    </TooltipProvider>
  );
}

/** A part of its own: what the shell is told changes often, and the page does not depend on it. */
function ShellLink() {
  useShell();
  return null;
}

/** A screen with another project is another screen; New video keeps its own when its project comes into being. */
function keyOf(route: Route): string {
  return route.page === "studio" ? `studio/${route.projectId}` : route.page;
}

const PLAIN: Readonly<Record<Exclude<Route["page"], "new" | "studio">, ComponentType>> = { home: Home, queue: Queue, setup: Setup, settings: Settings };

function Screen({ route }: { readonly route: Route }) {
  switch (route.page) {
    case "new":
      return <NewVideo projectId={route.projectId} />;
    case "studio":
      return <Studio projectId={route.projectId} />;
    case "home":
    case "queue":
    case "setup":
    case "settings": {
      const Page = PLAIN[route.page];
      return <Page />;
    }
  }
}

function Loading() {
  const { t } = useTranslation();
  return (
    <div className={styles.loading} role="status">
      <Spinner size={24} />
      <span className="visually-hidden">{t("app.loading")}</span>
    </div>
  );
}

/** A browser asks before it leaves a page whose last edits the server does not have yet. The desktop program has its own way to end. */
function askBeforeLeaving(): () => void {
  const ask = (event: BeforeUnloadEvent) => {
    if (shell === null && waitsForServer()) event.preventDefault();
  };
  window.addEventListener("beforeunload", ask);
  return () => window.removeEventListener("beforeunload", ask);
}

/** A file dropped where nothing takes it would replace the page with the file. */
function keepFilesOut(): () => void {
  const refuse = (event: DragEvent) => {
    if (event.defaultPrevented) return;
    event.preventDefault();
    if (event.dataTransfer !== null && event.type === "dragover") event.dataTransfer.dropEffect = "none";
  };
  window.addEventListener("dragover", refuse);
  window.addEventListener("drop", refuse);
  return () => {
    window.removeEventListener("dragover", refuse);
    window.removeEventListener("drop", refuse);
  };
}
