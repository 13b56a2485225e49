/**
 * How well `text` answers what was typed; null when it does not. Every typed word must occur, at the start of a word best.
 * Ideographs have no spaces between words, so any place in the text counts for them.
 */
export function matchScore(text: string, typed: string): number | null {
  const words = typed.toLowerCase().split(/\s+/).filter((word) => word !== "");
  const target = text.toLowerCase();
  let score = 0;
  for (const word of words) {
    const at = target.indexOf(word);
    if (at < 0) return null;
    const startsWord = at === 0 || /[\s·:：/(-]/.test(target.charAt(at - 1)) || target.includes(` ${word}`);
    score += (startsWord ? 10 : 2) + word.length - at / 100;
  }
  return score;
}

/** The items that match, best first; with nothing typed all of them in their own order. */
export function search<Item>(items: readonly Item[], textOf: (item: Item) => string, typed: string): readonly Item[] {
  if (typed.trim() === "") return items;
  return items
    .map((item, place) => ({ item, place, score: matchScore(textOf(item), typed) }))
    .filter((one): one is { item: Item; place: number; score: number } => one.score !== null)
    .sort((one, other) => other.score - one.score || one.place - other.place)
    .map(({ item }) => item);
}
