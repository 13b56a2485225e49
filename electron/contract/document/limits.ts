/** Limits of a project document. The schema, the edits and the check of invariants all take them from here. */
export const LIMITS = {
  /** Last frame anything may reach: 111 hours. A file that claims more would be too many clips to list. */
  frame: 10_000_000,
  segmentsPerTrack: 20_000,
  audioTracks: 64,
  markers: 20_000,
  media: 20_000,
  promptCharacters: 20_000,
  projectNameCharacters: 200,
  trackNameCharacters: 200,
  mediaNameCharacters: 300,
  markerLabelCharacters: 500,
  modelIdCharacters: 200,
  gainDecibels: { min: -60, max: 24 },
  pictureSide: { min: 64, max: 16_384 },
  sampleSteps: { min: 1, max: 6 },
  inferFrames: { min: 12, max: 4_800 },
} as const;
