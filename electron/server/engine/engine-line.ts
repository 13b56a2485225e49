import { engineMessageSchema, type EngineMessage } from "../../contract/engine-messages.schema.ts";

/** One line of a worker's output, judged. */
export type EngineLine =
  | { readonly kind: "message"; readonly message: EngineMessage }
  /** From a newer engine: to be passed over. */
  | { readonly kind: "unknown"; readonly name: string }
  /** Not what the protocol allows. `requestId` tells who would wait for it in vain. */
  | { readonly kind: "bad"; readonly reason: string; readonly requestId: string | null };

const KNOWN_TYPES = new Set(engineMessageSchema.options.map((option) => option.shape.type.value as string));
const KNOWN_EVENTS = new Set(engineMessageSchema.options.flatMap((option) => (option.shape.type.value === "event" ? knownKinds(option) : [])));

/** Read a line. Never throws. */
export function readEngineLine(line: string): EngineLine {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return { kind: "bad", reason: "it is not JSON", requestId: null };
  }
  if (!isRecord(value)) return { kind: "bad", reason: "it is not an object", requestId: null };
  const requestId = typeof value.request_id === "string" ? value.request_id : null;
  const type = value.type;
  if (typeof type !== "string") return { kind: "bad", reason: "it has no type", requestId };
  if (!KNOWN_TYPES.has(type)) return { kind: "unknown", name: type };
  const event = value.event;
  if (type === "event" && isRecord(event) && typeof event.kind === "string" && !KNOWN_EVENTS.has(event.kind)) return { kind: "unknown", name: `event ${event.kind}` };
  const parsed = engineMessageSchema.safeParse(value);
  if (parsed.success) return { kind: "message", message: parsed.data };
  const issue = parsed.error.issues[0];
  return { kind: "bad", reason: issue === undefined ? "it does not fit the protocol" : `${type}.${issue.path.join(".")}: ${issue.message}`, requestId };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function knownKinds(option: (typeof engineMessageSchema.options)[number]): string[] {
  return "event" in option.shape ? option.shape.event.options.map((event) => event.shape.kind.value as string) : [];
}
