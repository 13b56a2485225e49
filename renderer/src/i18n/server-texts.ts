import i18next from "i18next";
import { useTranslation } from "react-i18next";
import type { Fault, Finding } from "../../../electron/contract/fault.schema.ts";
import type { Said } from "../../../electron/contract/said.schema.ts";

/**
 * Sentences of the server and the engine come in English, with their measured values. The page says them in the user's
 * language by their stable code, with `{{name}}` for each value that is filled in. The English sentence stays where there is no text for
 * a code, or a value is missing. In English only sentences that were written for the command line are said otherwise.
 */
export interface ServerTexts {
  readonly faults: Readonly<Record<string, { readonly what?: string; readonly why?: string; readonly hint?: string }>>;
  readonly findings: Readonly<Record<string, string>>;
  readonly said: Readonly<Record<string, string>>;
}

export interface FaultText {
  readonly what: string;
  readonly why: string;
  readonly hint: string;
}

/** The namespace of these texts; they come with those of the page, so that nothing is said in English first. */
export const SERVER_TEXTS = "server";

const textsIn = (language: string) => i18next.getResourceBundle(language, SERVER_TEXTS) as ServerTexts;

const useServerTexts = (): ServerTexts => textsIn(useTranslation().i18n.language);

/** A fault made in the page has only a code; its sentences are ordinary texts under `faults`. */
function pageText(code: string): FaultText | null {
  const texts: unknown = i18next.t(`faults.${code}`, { returnObjects: true, defaultValue: null } as never);
  return typeof texts === "object" && texts !== null && "what" in texts && "why" in texts && "hint" in texts ? (texts as FaultText) : null;
}

/** The fault in the user's language. */
export function faultText(fault: Fault, texts: ServerTexts): FaultText {
  const translated = texts.faults[fault.code];
  const own = fault.what === "" ? pageText(fault.code) : null;
  const { values = {} } = fault;
  return {
    what: own?.what ?? filled(translated?.what, values) ?? fault.what,
    why: fault.why !== "" && own !== null ? fault.why : (own?.why ?? filled(translated?.why, values) ?? fault.why),
    hint: own?.hint ?? filled(translated?.hint, values) ?? fault.hint,
  };
}

/** What happened, as one sentence. */
export function faultSentence(fault: Fault): string {
  return faultText(fault, textsIn(i18next.language)).what;
}

export function useFaultText(fault: Fault): FaultText {
  return faultText(fault, useServerTexts());
}

export function useFindingText(finding: Finding): string {
  return useServerTexts().findings[finding.code] ?? finding.text;
}

/** The sentence in the user's language, with its values. Findings about the material may come as warnings of a render. */
export function saidText(said: Said, texts: ServerTexts): string {
  return filled(texts.said[said.code] ?? texts.findings[said.code], said.values) ?? said.text;
}

/** Null without a text, and when one of its values is missing. */
function filled(text: string | undefined, values: Said["values"]): string | null {
  const names = [...(text ?? "").matchAll(/\{\{(\w+)\}\}/g)].map(([, name = ""]) => name);
  if (text === undefined || names.some((name) => values[name] === undefined)) return null;
  return text.replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => String(values[name]));
}

/** Says sentences of the server in the user's language. What an earlier server told without a code stays as it is. */
export function useSaid(): (said: Said | undefined, text?: string) => string {
  const texts = useServerTexts();
  return (said, text = "") => (said === undefined ? text : saidText(said, texts));
}
