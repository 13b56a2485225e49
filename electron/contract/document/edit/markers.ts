import { LIMITS } from "../limits.ts";
import type { Marker, ProjectDocument } from "../project-document.schema.ts";
import type { EditCommand, EditResult, NewId } from "./commands.ts";
import { done, isFrame, refuse } from "./results.ts";

type Command<Type extends EditCommand["type"]> = Extract<EditCommand, { type: Type }>;

export function addMarker(document: ProjectDocument, { frame, label }: Command<"addMarker">, newId: NewId): EditResult {
  if (!isFrame(frame)) return refuse("numberInvalid");
  if (label.length > LIMITS.markerLabelCharacters) return refuse("textTooLong");
  if (document.markers.length >= LIMITS.markers) return refuse("tooMany");
  const id = newId();
  return done(withMarkers(document, [...document.markers, { id, frame, label }]), [id]);
}

export function moveMarker(document: ProjectDocument, { id, frame }: Command<"moveMarker">): EditResult {
  return isFrame(frame) ? changeMarker(document, id, { frame }) : refuse("numberInvalid");
}

export function renameMarker(document: ProjectDocument, { id, label }: Command<"renameMarker">): EditResult {
  return label.length > LIMITS.markerLabelCharacters ? refuse("textTooLong") : changeMarker(document, id, { label });
}

export function removeMarkers(document: ProjectDocument, { ids }: Command<"removeMarkers">): EditResult {
  if (ids.length === 0) return refuse("nothingSelected");
  const unwanted = new Set(ids);
  const markers = document.markers.filter((marker) => !unwanted.has(marker.id));
  return document.markers.length - markers.length < unwanted.size ? refuse("markerMissing") : done({ ...document, markers });
}

export function setRange(document: ProjectDocument, { range }: Command<"setRange">): EditResult {
  if (range === null) return done(document.range === null ? document : { ...document, range });
  if (!isFrame(range.start) || !isFrame(range.end)) return refuse("numberInvalid");
  if (range.end <= range.start) return refuse("rangeEmpty");
  const same = document.range?.start === range.start && document.range.end === range.end;
  return done(same ? document : { ...document, range: { start: range.start, end: range.end } });
}

function changeMarker(document: ProjectDocument, id: string, change: { frame: number } | { label: string }): EditResult {
  const marker = document.markers.find((one) => one.id === id);
  if (marker === undefined) return refuse("markerMissing");
  if (Object.entries(change).every(([key, value]) => marker[key] === value)) return done(document);
  return done(withMarkers(document, document.markers.map((one) => (one === marker ? { ...marker, ...change } : one))));
}

function withMarkers(document: ProjectDocument, markers: Marker[]): ProjectDocument {
  return { ...document, markers: markers.sort((a, b) => a.frame - b.frame) };
}
