const SEEDS = [0, 0x9747b28c, 0x3c6ef372, 0xbb67ae85];

/**
 * A 128-bit name for an ASCII text, as four numbers: equal texts have equal names, and different ones, but for an accident that does not happen,
 * different names. Not for secrets. It is quick and has no waiting in it, unlike the browser's SHA-256.
 */
export function fingerprint(text: string): string {
  return murmurHash3(text, SEEDS).join("-");
}

/** MurmurHash3, 32 bits, of an ASCII text, once for each seed. */
export function murmurHash3(text: string, seeds: readonly number[]): number[] {
  const hashes = Int32Array.from(seeds);
  const whole = text.length - (text.length % 4);
  for (let at = 0; at < whole; at += 4) {
    const word = scrambled(text.charCodeAt(at) | (text.charCodeAt(at + 1) << 8) | (text.charCodeAt(at + 2) << 16) | (text.charCodeAt(at + 3) << 24));
    for (let lane = 0; lane < hashes.length; lane += 1) hashes[lane] = Math.imul(rotated((hashes[lane] ?? 0) ^ word, 13), 5) + 0xe6546b64;
  }
  let rest = 0;
  for (let at = text.length - 1; at >= whole; at -= 1) rest = (rest << 8) | text.charCodeAt(at);
  return Array.from(hashes, (hash) => {
    let mixed = hash ^ scrambled(rest) ^ text.length;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return (mixed ^ (mixed >>> 16)) >>> 0;
  });
}

function scrambled(word: number): number {
  return Math.imul(rotated(Math.imul(word, 0xcc9e2d51), 15), 0x1b873593);
}

function rotated(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by));
}
