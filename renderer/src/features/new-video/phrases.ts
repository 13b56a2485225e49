/** Phrases of a prompt, separated by commas of the language they are written in. */
const CHINESE = /[\u3400-\u9fff]/;

export function hasPhrase(text: string, phrase: string): boolean {
  return text.toLowerCase().includes(phrase.toLowerCase());
}

/** Puts a phrase at the end, or takes it out with its comma. */
export function togglePhrase(text: string, phrase: string): string {
  const at = text.toLowerCase().indexOf(phrase.toLowerCase());
  if (at >= 0) {
    const before = text.slice(0, at).replace(/[,，、]?\s*$/, "");
    const after = text.slice(at + phrase.length).replace(/^\s*[,，、]\s*/, "");
    if (before === "") return after;
    return after === "" ? before : `${before}${/^[.。!！?？]/.test(after) ? "" : separatorOf(phrase)}${after.replace(/^\s+/, "")}`;
  }
  const open = text.replace(/[\s,，、.。]+$/, "");
  return open === "" ? phrase : `${open}${separatorOf(phrase)}${phrase}`;
}

const separatorOf = (phrase: string): string => (CHINESE.test(phrase) ? "，" : ", ");
