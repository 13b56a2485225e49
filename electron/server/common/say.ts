import type { Said } from "../../contract/said.schema.ts";

type Values = Readonly<Record<string, string | number>>;

/** A sentence of the server: `{name}` in the English text stands for a value. `code` names it for translations. */
export function say(code: string, english: string, values: Values = {}): Said {
  return { code, values: { ...values }, text: english.replaceAll(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole)) };
}

/** A sentence of the engine, which an old one tells without a code. */
export function saidByEngine(event: { readonly text: string; readonly code?: string | undefined; readonly values?: Values | undefined }): Said {
  return { code: event.code ?? "UNNAMED", values: { ...event.values }, text: event.text };
}
