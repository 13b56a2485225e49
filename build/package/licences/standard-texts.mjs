import { readFileSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot } from "../../setup/paths.mjs";

const MIT = `Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS
FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER
IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`;

export const apacheText = () => readFileSync(join(repositoryRoot, "LICENSE"), "utf8");

/**
 * For a part that tells its licence and leaves out the text.
 * @param {string} licence
 * @param {string} holder
 * @returns {readonly { readonly name: string, readonly text: string }[]} empty when the licence has no text that is the same for everybody
 */
export function standardTexts(licence, holder) {
  if (licence === "MIT") return [{ name: "the licence's standard text", text: `Copyright (c) ${holder}\n\n${MIT}` }];
  if (licence === "Apache-2.0") return [{ name: "the licence's standard text", text: apacheText() }];
  return [];
}
