import { Suspense, type ComponentType, type LazyExoticComponent } from "react";
import { useTranslation } from "react-i18next";
import { Crash } from "../../app/Crash.tsx";
import { ErrorBoundary } from "../../app/ErrorBoundary.tsx";
import { lazyPart } from "../../app/lazy-part.ts";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { Spinner } from "../../ui/Spinner.tsx";

type Panel = LazyExoticComponent<ComponentType>;

export const TIMELINE: Panel = lazyPart(() => import("../timeline/Timeline.tsx"));
export const PLAYER: Panel = lazyPart(() => import("../preview/Player.tsx"));
export const INSPECTOR: Panel = lazyPart(() => import("../inspector/Inspector.tsx"));
export const ASSETS: Panel = lazyPart(() => import("../assets/Assets.tsx"));

/** One panel of the studio, loaded with it. A panel that fails leaves the others alone. */
export function LazyPanel({ panel: Shown }: { readonly panel: Panel }) {
  const { t } = useTranslation();
  return (
    <ErrorBoundary fallback={(error) => <Crash error={error} />}>
      <Suspense fallback={<EmptyState icon={<Spinner size={24} />} title={t("app.loading")} />}>
        <Shown />
      </Suspense>
    </ErrorBoundary>
  );
}
