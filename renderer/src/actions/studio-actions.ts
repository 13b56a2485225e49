import { actions as exporting } from "../features/exporting/actions.ts";
import { actions as preview } from "../features/preview/actions.ts";
import { actions as studio } from "../features/studio/actions.ts";
import { actions as timeline } from "../features/timeline/actions.ts";
import type { ActionDefinition } from "./definition.ts";

/** The actions of the studio screen. They come with the screen itself: a key pressed as soon as it shows must be heard. */
export const studioActions: readonly ActionDefinition[] = [...timeline, ...preview, ...studio, ...exporting];
