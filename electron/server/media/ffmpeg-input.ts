import type { PictureHeader } from "./picture-header.ts";

/**
 * Containers that recordings come in. Playlists are not among them: a file named `voice.mp3` that is one could lead
 * ffmpeg to other files of this machine.
 */
const SOUND_CONTAINERS = "wav,w64,mp3,flac,mov,mp4,m4a,3gp,3g2,ogg,matroska,webm,aac,aiff,caf,amr,asf,avi,mpegts,mpeg,au,ac3,eac3,tta,wv,ape";

/** Arguments that open a recording: local, of a known container, only its first sound stream is read. */
export function soundInput(path: string): string[] {
  return ["-protocol_whitelist", "file", "-format_whitelist", SOUND_CONTAINERS, "-vn", "-sn", "-dn", "-i", fileAddress(path)];
}

/** Arguments that open a picture, of a kind already known from its header. */
export function pictureInput(path: string, { format, animated }: Pick<PictureHeader, "format" | "animated">): string[] {
  // A PNG that moves begins with a still one; a WebP that moves has a reader of its own.
  const demuxer = format === "webp" && animated ? "webp_anim" : `${format}_pipe`;
  // Turning upright is done by us from the same header that gave the size: versions of ffmpeg differ in what they turn.
  return ["-noautorotate", "-protocol_whitelist", "file", "-f", demuxer, "-i", fileAddress(path)];
}

/** A path as ffmpeg takes it: with the protocol named, no character of a name has a meaning of its own. */
export function fileAddress(path: string): string {
  return `file:${path}`;
}
