import { expect, test } from "vitest";
import { TextFitter } from "./fitted-text.ts";

/** Ten pixels a letter, twenty an ideograph. */
const fitter = new TextFitter((character) => (/\p{Script=Han}/u.test(character) ? 20 : 10));

test.each([
  ["hello", 50, "hello"],
  ["hello", 49, "hel…"],
  ["hello", 20, "h…"],
  ["hello", 9, ""],
  ["one two", 50, "one…"],
  ["a\nb", 30, "a b"],
  ["微笑的女人", 70, "微笑的…"],
  ["😀😀😀", 20, "😀…"],
])("%j in %i pixels is %j", (text, width, shown) => expect(fitter.fit(text, width)).toBe(shown));
