import i18next from "i18next";
import { useEffect } from "react";
import { useTranslation } from "react-i18next";
import { useStore } from "zustand";
import { createStore } from "zustand/vanilla";
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

const NOTHING: ServerTexts = { faults: {}, findings: {}, said: {} };
/** By language, as far as loaded. */
const loaded = createStore<Readonly<Record<string, ServerTexts>>>(() => ({}));

async function load(language: string): Promise<ServerTexts> {
  const known = loaded.getState()[language];
  if (known !== undefined) return known;
  const texts: ServerTexts = (language === "zh" ? await import("./server-texts/zh.json") : await import("./server-texts/en.json")).default;
  loaded.setState({ [language]: texts });
  return texts;
}

function useServerTexts(): ServerTexts {
  const { i18n } = useTranslation();
  const known = useStore(loaded, (all) => all[i18n.language]);
  useEffect(() => void load(i18n.language), [i18n.language]);
  return known ?? NOTHING;
}

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
export async function faultSentence(fault: Fault): Promise<string> {
  return faultText(fault, await load(i18next.language)).what;
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
