import type { OutputLane } from "../../../../../electron/contract/document/output-lane.ts";
import type { MediaFile, ProjectDocument } from "../../../../../electron/contract/document/project-document.schema.ts";
import type { Scale } from "../../../editor/scale.ts";
import type { Hit } from "../geometry/hit-test.ts";
import type { PeaksCache } from "../media/peaks-cache.ts";
import type { PictureCache } from "../media/picture-cache.ts";
import type { TextFitter } from "./fitted-text.ts";
import type { Palette } from "./palette.ts";
import type { Words } from "./words.ts";

/** All that drawing depends on. */
export interface Scene {
  readonly document: ProjectDocument;
  /** The document before the drag under way; the same one while nothing is dragged. */
  readonly committed: ProjectDocument;
  readonly media: ReadonlyMap<string, MediaFile>;
  readonly missingMedia: ReadonlySet<string>;
  readonly selection: ReadonlySet<string>;
  readonly focusedMarker: string | null;
  readonly focusedClip: { readonly takeId: string; readonly clip: number } | null;
  readonly hover: Hit | null;
  readonly scale: Scale;
  readonly gridOrigins: GridOrigins;
  readonly lane: OutputLane;
  readonly peaks: PeaksCache;
  readonly pictures: PictureCache;
  readonly palette: Palette;
  readonly words: Words;
  /** Fits texts of the size of segment labels. */
  readonly labels: TextFitter;
  readonly readOnly: boolean;
  /** Keys of locked tracks. */
  readonly locked: ReadonlySet<string>;
}

/** Frames at which takes begin, ascending: blocks and clips are counted from them. */
export type GridOrigins = readonly number[];

export const LABEL_PIXELS = 12;

export const labelFont = (palette: Palette): string => `500 ${String(LABEL_PIXELS)}px ${palette.font}`;
