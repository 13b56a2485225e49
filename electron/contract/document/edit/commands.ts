import type { MediaFile, ProjectDocument, ProjectSettings, Quality, QualitySettings } from "../project-document.schema.ts";

/**
 * What happens to the rest of the timeline when time is added or removed.
 * - `none`: nothing moves. What is added overwrites, what is removed leaves a gap.
 * - `track`: later segments of the same track make room or close up.
 * - `all`: later segments of every track, and markers, do.
 */
export type Ripple = "none" | "track" | "all";

/** One track of the timeline. */
export type TrackAddress = { readonly kind: "portrait" } | { readonly kind: "prompt" } | { readonly kind: "audio"; readonly trackId: string };

/** What a new segment shows, says or sounds like. */
export type SegmentContent =
  | { readonly kind: "portrait"; readonly mediaId: string; readonly duration: number }
  | { readonly kind: "prompt"; readonly text: string; readonly duration: number }
  | {
      readonly kind: "audio";
      readonly trackId: string;
      readonly mediaId: string;
      /** First sample, at the file's rate. */
      readonly sourceStart: number;
      /** Frames; null takes the rest of the file. */
      readonly duration: number | null;
    };

/** What a split cuts. */
export type SplitTarget = { readonly kind: "all" } | { readonly kind: "tracks"; readonly tracks: readonly TrackAddress[] } | { readonly kind: "segments"; readonly ids: readonly string[] };

/** One copied segment; `offset` counts frames from the clipboard's start. */
export type ClipboardItem =
  | { readonly kind: "portrait"; readonly offset: number; readonly duration: number; readonly mediaId: string }
  | { readonly kind: "prompt"; readonly offset: number; readonly duration: number; readonly text: string }
  | {
      readonly kind: "audio";
      /** Audio tracks below the topmost copied one. */
      readonly trackOffset: number;
      readonly offset: number;
      readonly duration: number;
      readonly mediaId: string;
      readonly sourceStart: number;
      readonly gainDecibels: number;
      readonly fadeIn: number;
      readonly fadeOut: number;
    };

/** Copied segments with all they refer to: it outlives the originals. Kept by the window, not read from outside. */
export type Clipboard = {
  readonly format: "avatar-studio-segments";
  readonly version: 1;
  /** Frames from the first start to the last end. */
  readonly frames: number;
  readonly items: readonly ClipboardItem[];
  readonly media: readonly MediaFile[];
};

/**
 * How a trim treats what lies beside the segment.
 * - `stop`: the edge stops at the neighbour.
 * - `roll`: a touching neighbour gives or takes the same frames.
 * - `rippleTrack`, `rippleAll`: later segments move, of this track or of all.
 */
export type TrimMode = "stop" | "roll" | "rippleTrack" | "rippleAll";

/**
 * One edit. Frames are whole numbers from the timeline's start. Edits that follow the pointer (move, trim, fade) stop at the nearest
 * possible place; all others are refused when they are not possible.
 */
export type EditCommand =
  | { readonly type: "addSegment"; readonly start: number; readonly content: SegmentContent; readonly ripple: Ripple }
  /** Overwrites what lies there. The group stops at frame 0; `byTracks` counts audio tracks downwards and moves sound only. */
  | { readonly type: "moveSegments"; readonly ids: readonly string[]; readonly byFrames: number; readonly byTracks: number }
  /** `toFrame` is where the edge goes before anything ripples. */
  | { readonly type: "trimSegment"; readonly id: string; readonly edge: "start" | "end"; readonly toFrame: number; readonly mode: TrimMode }
  | { readonly type: "split"; readonly frame: number; readonly target: SplitTarget }
  /** With `all`, time is closed where no remaining sound lies: a ripple never removes sound that was not chosen. */
  | { readonly type: "deleteSegments"; readonly ids: readonly string[]; readonly ripple: Ripple }
  /** Copies are put behind the last of the originals. */
  | { readonly type: "duplicateSegments"; readonly ids: readonly string[]; readonly ripple: Ripple }
  /** `trackId` takes the topmost copied audio track; null is the first one. */
  | { readonly type: "paste"; readonly clipboard: Clipboard; readonly start: number; readonly trackId: string | null; readonly ripple: Ripple }
  | { readonly type: "setPromptText"; readonly id: string; readonly text: string }
  /** Another picture or recording in the same place. A recording is used from its first sample. */
  | { readonly type: "setSegmentMedia"; readonly id: string; readonly mediaId: string }
  | { readonly type: "setSegmentGain"; readonly ids: readonly string[]; readonly gainDecibels: number }
  /** Stops where the other fade begins. */
  | { readonly type: "setFade"; readonly id: string; readonly edge: "in" | "out"; readonly frames: number }
  /** `trackId` is the new track's id, `index` its place among the audio tracks. */
  | { readonly type: "addAudioTrack"; readonly trackId: string; readonly name: string; readonly index: number }
  | { readonly type: "removeAudioTrack"; readonly trackId: string }
  | { readonly type: "renameAudioTrack"; readonly trackId: string; readonly name: string }
  | { readonly type: "setTrackMuted"; readonly trackId: string; readonly muted: boolean }
  | { readonly type: "setTrackGain"; readonly trackId: string; readonly gainDecibels: number }
  | { readonly type: "addMarker"; readonly frame: number; readonly label: string }
  | { readonly type: "moveMarker"; readonly id: string; readonly frame: number }
  | { readonly type: "renameMarker"; readonly id: string; readonly label: string }
  | { readonly type: "removeMarkers"; readonly ids: readonly string[] }
  /** `end` is the first frame after the range; null takes the range away. */
  | { readonly type: "setRange"; readonly range: { readonly start: number; readonly end: number } | null }
  | { readonly type: "addMedia"; readonly media: MediaFile }
  /** Another file of the same kind under the same id. Segments that reach past its end are shortened, those beyond it removed. */
  | { readonly type: "replaceMedia"; readonly mediaId: string; readonly media: MediaFile }
  | { readonly type: "renameMedia"; readonly mediaId: string; readonly name: string }
  /** Off the project's list; refused when a segment uses it. */
  | { readonly type: "removeMedia"; readonly mediaId: string }
  | { readonly type: "removeUnusedMedia" }
  | { readonly type: "renameProject"; readonly name: string }
  | { readonly type: "changeSettings"; readonly change: Partial<Pick<ProjectSettings, "modelId" | "baseSeed" | "inferFrames">> }
  | { readonly type: "changeQuality"; readonly quality: Quality; readonly change: Partial<Pick<QualitySettings, "width" | "height" | "sampleSteps">> }
  /** Several edits as one step: all or none. */
  | { readonly type: "batch"; readonly commands: readonly EditCommand[]; readonly label: EditLabel };

/** Name of a step for the undo menu: a key of the texts and what is put into them. */
export type EditLabel = { readonly key: string; readonly values: Readonly<Record<string, string | number>> };

export type RefusalReason =
  /** A number is not a whole one, or outside what is allowed. */
  | "numberInvalid"
  | "nothingSelected"
  | "segmentMissing"
  | "trackMissing"
  | "markerMissing"
  | "mediaMissing"
  | "mediaWrongKind"
  | "mediaInUse"
  /** Pasted segments name a file whose place another file has taken. */
  | "mediaConflict"
  | "idInUse"
  /** No segment lies across the frame. */
  | "nothingToSplit"
  /** A roll needs a segment that touches this one. */
  | "neighbourMissing"
  /** Before the beginning or after the end of the recording. */
  | "outsideRecording"
  | "notAudio"
  | "notPrompt"
  | "notMedia"
  | "lastAudioTrack"
  | "rangeEmpty"
  | "nameEmpty"
  | "textTooLong"
  /** Beyond the number of segments, tracks, markers or files a project can have. */
  | "tooMany"
  /** Beyond the last frame a project can have. */
  | "tooLong";

/**
 * `document` is the very same object when the edit changes nothing. `created` are the ids of new segments and markers that the user would
 * expect to be selected now.
 */
export type EditResult = { readonly refused: null; readonly document: ProjectDocument; readonly created: readonly string[] } | { readonly refused: RefusalReason };

/** Gives an id that the document does not have yet. */
export type NewId = () => string;
