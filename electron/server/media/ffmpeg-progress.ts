/** One report of `-progress`. */
export interface FfmpegProgress {
  /** Pictures written so far. */
  readonly frames: number;
  /** Seconds of output written so far. */
  readonly seconds: number;
}

/** Takes the text of `-progress pipe:1` in pieces of any size and calls `report` at the end of each block. */
export function progressReader(report: (progress: FfmpegProgress) => void): (text: string) => void {
  let rest = "";
  let frames = 0;
  let seconds = 0;
  return (text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const [key, value] = [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1).trim()];
      // Before the first packet the time is "N/A".
      if (key === "frame") frames = numberOr(value, frames);
      else if (key === "out_time_us") seconds = numberOr(value, seconds * 1e6) / 1e6;
      else if (key === "progress") report({ frames, seconds });
    }
  };
}

function numberOr(text: string, otherwise: number): number {
  const value = Number(text);
  return text !== "" && Number.isFinite(value) ? value : otherwise;
}
