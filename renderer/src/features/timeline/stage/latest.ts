/** Remembers the last result of a pure function, as long as its arguments are the very same. */
export function latest<Arguments extends unknown[], Result>(compute: (...args: Arguments) => Result, argumentsNow: () => Readonly<Arguments>): () => Result {
  let last: { readonly args: Readonly<Arguments>; readonly result: Result } | null = null;
  return () => {
    const args = argumentsNow();
    if (last?.args.length !== args.length || last.args.some((value, index) => value !== args[index])) last = { args, result: compute(...args) };
    return last.result;
  };
}
