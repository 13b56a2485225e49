/*
 * What ffmpeg tells about a recording before it decodes it. Only notices hang on these words: the length, rate and channels that
 * everything else is computed with are counted from decoded samples.
 */

/** Length that the file's header promises, in seconds; null when it does not say or ffmpeg only guesses it from the bit rate. */
export function promisedSeconds(messages: string): number | null {
  if (/Estimating duration from bitrate/i.test(messages)) return null;
  const match = /^\s*Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)/m.exec(messages);
  if (match === null) return null;
  return Number(match[1]) * 3600 + Number(match[2]) * 60 + Number(match[3]);
}

/** Whether the file is a video; cover art does not count. */
export function showsMovingPictures(messages: string): boolean {
  return messages.split("\n").some((line) => /^\s*Stream #0:\d+.*: Video: /.test(line) && !line.includes("(attached pic)"));
}
