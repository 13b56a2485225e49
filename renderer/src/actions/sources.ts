import type { ActionDefinition } from "./definition.ts";

/** The actions of the studio screen, for its menus and keys, and for the list of all shortcuts. Loaded when first needed. */
export async function loadStudioActions(): Promise<readonly ActionDefinition[]> {
  const [timeline, preview, studio, exporting] = await Promise.all([
    import("../features/timeline/actions.ts"),
    import("../features/preview/actions.ts"),
    import("../features/studio/actions.ts"),
    import("../features/exporting/actions.ts"),
  ]);
  return [...timeline.actions, ...preview.actions, ...studio.actions, ...exporting.actions];
}
