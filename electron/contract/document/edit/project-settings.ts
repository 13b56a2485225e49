import { isClipLength } from "../../time.ts";
import { LIMITS } from "../limits.ts";
import type { ProjectDocument } from "../project-document.schema.ts";
import type { EditCommand, EditResult } from "./commands.ts";
import { done, isWhole, refuse } from "./results.ts";

type Command<Type extends EditCommand["type"]> = Extract<EditCommand, { type: Type }>;

export function renameProject(document: ProjectDocument, { name }: Command<"renameProject">): EditResult {
  if (name.length === 0) return refuse("nameEmpty");
  if (name.length > LIMITS.projectNameCharacters) return refuse("textTooLong");
  return done(document.name === name ? document : { ...document, name });
}

export function changeSettings(document: ProjectDocument, { change }: Command<"changeSettings">): EditResult {
  const { settings } = document;
  const { modelId = settings.modelId, baseSeed = settings.baseSeed, inferFrames = settings.inferFrames } = change;
  if (modelId.length === 0) return refuse("nameEmpty");
  if (modelId.length > LIMITS.modelIdCharacters) return refuse("textTooLong");
  const { min, max } = LIMITS.inferFrames;
  if (!isWhole(baseSeed, 0, Number.MAX_SAFE_INTEGER) || !isWhole(inferFrames, min, max) || !isClipLength(inferFrames)) return refuse("numberInvalid");
  if (modelId === settings.modelId && baseSeed === settings.baseSeed && inferFrames === settings.inferFrames) return done(document);
  return done({ ...document, settings: { ...settings, modelId, baseSeed, inferFrames } });
}

export function changeQuality(document: ProjectDocument, { quality, change }: Command<"changeQuality">): EditResult {
  const { settings } = document;
  const old = settings[quality];
  const { width = old.width, height = old.height, sampleSteps = old.sampleSteps } = change;
  const side = LIMITS.pictureSide;
  const steps = LIMITS.sampleSteps;
  if (!isWhole(width, side.min, side.max) || !isWhole(height, side.min, side.max) || !isWhole(sampleSteps, steps.min, steps.max)) return refuse("numberInvalid");
  if (width === old.width && height === old.height && sampleSteps === old.sampleSteps) return done(document);
  return done({ ...document, settings: { ...settings, [quality]: { ...old, width, height, sampleSteps } } });
}
