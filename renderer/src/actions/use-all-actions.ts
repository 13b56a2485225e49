import { useEffect, useState } from "react";
import { useStore } from "zustand";
import { actionRegistry } from "./actions.ts";
import type { ActionDefinition } from "./definition.ts";

/** The actions of every screen, also of those that are not open, for lists of shortcuts. */
export function useAllActions(): readonly ActionDefinition[] {
  const present = useStore(actionRegistry.store, (state) => state.actions);
  const [studio, setStudio] = useState<readonly ActionDefinition[]>([]);
  useEffect(() => {
    let gone = false;
    void import("./studio-actions.ts").then(({ studioActions: actions }) => {
      if (!gone) setStudio(actions);
    });
    return () => {
      gone = true;
    };
  }, []);
  const known = new Set(present.map((action) => action.id));
  return [...present, ...studio.filter((action) => !known.has(action.id))];
}
