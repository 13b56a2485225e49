/**
 * Waveform peaks: a file of signed bytes per level, minimum and maximum alternately, scaled so that 127 is full scale.
 * The recording is read as mono at {@link PEAK_SAMPLE_RATE}; level `n` has one pair per `PEAK_LEVELS[n]` samples.
 */
export const PEAK_SAMPLE_RATE = 8_000;
/** Samples per pair; level 2 is one pair per video frame. */
export const PEAK_LEVELS = [20, 80, 320, 1_280, 5_120] as const;
