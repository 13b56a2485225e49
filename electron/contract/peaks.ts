/**
 * Waveform peaks: a file of signed bytes per level, minimum and maximum alternately, scaled so that 127 is full scale.
 * Level `n` has one pair per `PEAK_LEVELS[n]` samples of {@link PEAK_SAMPLE_RATE}, over all channels.
 */
export const PEAK_SAMPLE_RATE = 8_000;
/** Samples per pair; level 2 is one pair per video frame. */
export const PEAK_LEVELS = [20, 80, 320, 1_280, 5_120] as const;
/**
 * Content type of an answer that is only a draft of the coarsest level, because a long recording is still being read.
 * Show it, and ask again: the next answer is exact.
 */
export const PEAKS_DRAFT_TYPE = "application/x-peaks-draft";
