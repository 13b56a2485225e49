export interface MessageRates {
  readonly messagesPerSecond: number;
  readonly burstMessages: number;
  readonly bytesPerSecond: number;
  readonly burstBytes: number;
}

export interface MessageBudget {
  /** Counts a message; answers how many milliseconds to read nothing more. */
  readonly spend: (bytes: number) => number;
}

/** Two token buckets, one for messages and one for bytes. `now` counts milliseconds and never goes back. */
export function createMessageBudget(rates: MessageRates, now: () => number): MessageBudget {
  const messages = createBucket(rates.messagesPerSecond, rates.burstMessages, now);
  const bytes = createBucket(rates.bytesPerSecond, rates.burstBytes, now);
  return { spend: (size) => Math.max(messages(1), bytes(size)) };
}

/** Takes tokens, also below zero; answers the milliseconds until the bucket is at zero again. */
function createBucket(perSecond: number, burst: number, now: () => number): (amount: number) => number {
  let tokens = burst;
  let at = now();
  return (amount) => {
    const time = now();
    tokens = Math.min(burst, tokens + ((time - at) / 1000) * perSecond) - amount;
    at = time;
    return tokens >= 0 ? 0 : Math.ceil((-tokens / perSecond) * 1000);
  };
}
