import type { Settings } from "../../../../electron/contract/settings.schema.ts";

type Downloads = Settings["downloads"];

/** As typed; an empty field is the default. */
export interface DownloadForm {
  readonly endpoint: string;
  readonly proxy: string;
  readonly limit: string;
  readonly connections: string;
}

export function formOf({ endpoint, proxy, megabytesPerSecond, connections }: Downloads): DownloadForm {
  return { endpoint: endpoint ?? "", proxy: proxy ?? "", limit: megabytesPerSecond === null ? "" : String(megabytesPerSecond), connections: String(connections) };
}

export type ReadForm = { readonly kind: "right"; readonly downloads: Downloads } | { readonly kind: "wrong"; readonly fields: readonly (keyof DownloadForm)[] };

const DEFAULT_CONNECTIONS = 4;
const MOST_CONNECTIONS = 16;
const MOST_MEGABYTES = 100_000;

/** The settings that the fields stand for, or which of them cannot be understood. */
export function downloadsOf(form: DownloadForm): ReadForm {
  const endpoint = addressOf(form.endpoint);
  const proxy = addressOf(form.proxy);
  const limit = numberOf(form.limit);
  const connections = numberOf(form.connections) ?? DEFAULT_CONNECTIONS;
  const wrong: Readonly<Record<keyof DownloadForm, boolean>> = {
    endpoint: endpoint === undefined,
    proxy: proxy === undefined,
    limit: limit !== null && !(limit > 0 && limit <= MOST_MEGABYTES),
    connections: !(Number.isInteger(connections) && connections >= 1 && connections <= MOST_CONNECTIONS),
  };
  if (endpoint === undefined || proxy === undefined || wrong.limit || wrong.connections) return { kind: "wrong", fields: (["endpoint", "proxy", "limit", "connections"] as const).filter((field) => wrong[field]) };
  return { kind: "right", downloads: { endpoint, proxy, megabytesPerSecond: limit, connections } };
}

/** Null for nothing; undefined for what is no address. */
function addressOf(text: string): string | null | undefined {
  const typed = text.trim();
  if (typed === "") return null;
  try {
    const { protocol, host } = new URL(typed);
    return (protocol === "http:" || protocol === "https:") && host !== "" ? typed.replace(/\/+$/, "") : undefined;
  } catch {
    return undefined;
  }
}

/** Null for nothing, NaN for what is no number; a comma counts as a point. */
function numberOf(text: string): number | null {
  const typed = text.trim().replace(",", ".");
  return typed === "" ? null : Number(typed);
}
