import type { Fault } from "../../contract/fault.schema.ts";

/** What is known of an imported file from its content. `notices` say what the user should know although it can be used. */
export type MediaFacts = PictureFacts | SoundFacts | CaptionsFacts;

export interface PictureFacts {
  readonly kind: "image";
  /** Upright size in pixels. */
  readonly width: number;
  readonly height: number;
  readonly format: "jpeg" | "png" | "webp";
  readonly notices: readonly Fault[];
}

export interface CaptionsFacts {
  readonly kind: "captions";
  readonly captions: number;
  /** When the last one ends. */
  readonly milliseconds: number;
  readonly notices: readonly Fault[];
}

export interface SoundFacts {
  readonly kind: "audio";
  /** Samples per channel exactly as they decode, at the file's own rate. */
  readonly samples: number;
  readonly sampleRate: number;
  readonly channels: number;
  /** The sound of a video is used. */
  readonly fromVideo: boolean;
  readonly notices: readonly Fault[];
}
