import { useSyncExternalStore } from "react";
import { hashOfRoute, routeOfHash, type Route } from "./routes.ts";

/** One object for one address: React compares by identity. */
let known: { readonly hash: string; readonly route: Route } | null = null;

export function currentRoute(): Route {
  const hash = window.location.hash;
  if (known?.hash !== hash) known = { hash, route: routeOfHash(hash) };
  return known.route;
}

/** Goes to a page. `replace` leaves no entry for the back button. */
export function navigate(route: Route, { replace = false }: { readonly replace?: boolean } = {}): void {
  const hash = hashOfRoute(route);
  if (replace) {
    window.history.replaceState(null, "", hash);
    window.dispatchEvent(new HashChangeEvent("hashchange"));
  } else {
    window.location.hash = hash;
  }
}

export function onNavigation(listener: () => void): () => void {
  window.addEventListener("hashchange", listener);
  return () => window.removeEventListener("hashchange", listener);
}

export function useRoute(): Route {
  return useSyncExternalStore(onNavigation, currentRoute);
}
