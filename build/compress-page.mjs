import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

/** What a browser reads as text. Source maps are for developers, on the same machine. */
const TEXT = /\.(js|css|html|svg|json)$/;
/** Smaller files fit one packet either way. */
const WORTH_BYTES = 1_024;

/**
 * Beside each text file of a built page, the same compressed: `name.br` and `name.gz`. The server sends them as they are.
 * @param {string} folder
 */
export function compressPage(folder) {
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    if (!TEXT.test(name)) continue;
    const path = join(folder, name);
    const content = readFileSync(path);
    if (content.length < WORTH_BYTES) continue;
    writeFileSync(`${path}.br`, brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 9, [constants.BROTLI_PARAM_SIZE_HINT]: content.length } }));
    writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
  }
}
