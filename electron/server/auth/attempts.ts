/** Counts wrong passwords: after a few, everybody waits, longer for the address they came from. */
export interface Attempts {
  /** Seconds to wait before the next try from this address; 0 when it may be made now. Counts the try as wrong until `succeed`. */
  readonly begin: (address: string) => number;
  readonly succeed: (address: string) => void;
}

interface Bucket {
  readonly tokens: number;
  readonly at: number;
}

const PER_ADDRESS = { most: 5, refillMilliseconds: 20_000 };
/** A guess costs 32 MiB for a moment: also many addresses together must not exhaust the machine. */
const TOGETHER = { most: 30, refillMilliseconds: 2_000 };
const MOST_ADDRESSES = 10_000;

/** `now` counts milliseconds and never goes back. */
export function createAttempts(now: () => number): Attempts {
  const buckets = new Map<string, Bucket>();
  let together: Bucket = { tokens: TOGETHER.most, at: now() };

  const filled = (bucket: Bucket, rule: typeof PER_ADDRESS): Bucket => ({ tokens: Math.min(rule.most, bucket.tokens + (now() - bucket.at) / rule.refillMilliseconds), at: now() });
  const secondsToWait = (bucket: Bucket, rule: typeof PER_ADDRESS): number => (bucket.tokens >= 1 ? 0 : Math.ceil(((1 - bucket.tokens) * rule.refillMilliseconds) / 1000));

  return {
    begin: (address) => {
      const own = filled(buckets.get(address) ?? { tokens: PER_ADDRESS.most, at: now() }, PER_ADDRESS);
      together = filled(together, TOGETHER);
      const wait = Math.max(secondsToWait(own, PER_ADDRESS), secondsToWait(together, TOGETHER));
      if (wait > 0) return wait;
      together = { ...together, tokens: together.tokens - 1 };
      buckets.delete(address);
      buckets.set(address, { ...own, tokens: own.tokens - 1 });
      // The one unused for longest goes: its bucket is the fullest.
      if (buckets.size > MOST_ADDRESSES) for (const oldest of buckets.keys()) {
        buckets.delete(oldest);
        break;
      }
      return 0;
    },
    succeed: (address) => {
      buckets.delete(address);
      together = { ...together, tokens: Math.min(TOGETHER.most, together.tokens + 1) };
    },
  };
}
