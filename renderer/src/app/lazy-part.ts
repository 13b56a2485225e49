import { lazy, type ComponentType, type LazyExoticComponent } from "react";

const loaders: (() => Promise<unknown>)[] = [];

/** A part of the page that is fetched when it is first shown, or by {@link fetchParts} before that. */
export function lazyPart<P>(load: () => Promise<{ readonly default: ComponentType<P> }>): LazyExoticComponent<ComponentType<P>> {
  loaders.push(load);
  return lazy(load);
}

/**
 * Fetches all parts, one after the other, while the server is there. What is first opened while it is away would fail otherwise, and
 * the page would have to be loaded anew, without the edits that wait for the server.
 */
export async function fetchParts(): Promise<void> {
  // A part may add others, which the loop comes to as well.
  for (const load of loaders) await load().catch(() => undefined);
}
