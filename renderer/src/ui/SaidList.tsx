import type { Said } from "../../../electron/contract/said.schema.ts";
import { useFormats } from "../i18n/index.ts";
import { useSaid } from "../i18n/server-texts.ts";

/** Phrases of the server in the user's language, as one list: `float8 weights, steps packed`. */
export function SaidList({ phrases }: { readonly phrases: readonly Said[] }) {
  const sayIt = useSaid();
  return useFormats().list(phrases.map((phrase) => sayIt(phrase)));
}
