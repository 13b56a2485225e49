import type { ProjectDocument } from "../project-document.schema.ts";
import type { NewId } from "./commands.ts";
import { closeTime, difference, editLanes, framesWithout, type Lane, lanesOf, openTime, type Segment, type Span, spanOf, unionOf, withSegments } from "./lanes.ts";

/**
 * Makes room on every track, and moves markers from there on.
 * @param splits tracks that something will be put on: what lies across is split; elsewhere portraits and prompts stretch
 */
export function openTimeEverywhere(document: ProjectDocument, at: number, by: number, splits: TrackChoice, newId: NewId): ProjectDocument {
  const lanes = lanesOf(document);
  const open = <S extends Segment>(lane: Lane<S>, split: boolean): S[] => openTime(lane, at, by, split || !lane.holds ? "split" : "stretch", newId);
  const opened = withSegments(
    document,
    open(lanes.portrait, splits.portrait),
    open(lanes.prompt, splits.prompt),
    lanes.audio.map((lane) => open(lane, true)),
  );
  return moveMarkers(opened, (frames) => frames.map((frame) => (frame >= at ? frame + by : frame)));
}

/** Makes room on the chosen tracks only. */
export function openTimeOn(document: ProjectDocument, at: number, by: number, choice: TrackChoice, newId: NewId): ProjectDocument {
  const lanes = lanesOf(document);
  const open = <S extends Segment>(lane: Lane<S>, chosen: boolean): S[] => (chosen ? openTime(lane, at, by, "split", newId) : lane.segments);
  return withSegments(
    document,
    open(lanes.portrait, choice.portrait),
    open(lanes.prompt, choice.prompt),
    lanes.audio.map((lane, index) => open(lane, choice.audio(index))),
  );
}

/** Some of the tracks; audio tracks by their place. */
export type TrackChoice = { readonly portrait: boolean; readonly prompt: boolean; readonly audio: (index: number) => boolean };

/** Takes time out of all tracks and markers, but for the parts of it in which there is sound. */
export function closeSilentTime(document: ProjectDocument, spans: readonly Span[]): ProjectDocument {
  const sound = unionOf(document.audioTracks.flatMap((track) => track.segments.map(spanOf)));
  const silent = difference(unionOf(spans), sound);
  const closed = editLanes(document, (lane) => closeTime(lane, silent));
  return moveMarkers(closed, (frames) => framesWithout(silent, frames));
}

function moveMarkers(document: ProjectDocument, move: (frames: readonly number[]) => readonly number[]): ProjectDocument {
  const frames = move(document.markers.map((marker) => marker.frame));
  if (document.markers.every((marker, index) => marker.frame === frames[index])) return document;
  return { ...document, markers: document.markers.map((marker, index) => ({ ...marker, frame: frames[index] ?? marker.frame })) };
}
