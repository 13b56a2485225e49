/**
 * One size of the icon.
 * @typedef {{ pixels: number, png: Buffer }} Picture
 */

const ICO_HEADER_BYTES = 6;
const ICO_ENTRY_BYTES = 16;

/**
 * Windows' icon file: a directory of entries, then the pictures, which may be PNG files since Windows Vista.
 * @param {readonly Picture[]} pictures of at most 256 pixels
 */
export function icoOf(pictures) {
  const header = Buffer.alloc(ICO_HEADER_BYTES);
  header.writeUInt16LE(1, 2);
  header.writeUInt16LE(pictures.length, 4);
  let offset = ICO_HEADER_BYTES + ICO_ENTRY_BYTES * pictures.length;
  const entries = pictures.map(({ pixels, png }) => {
    const entry = Buffer.alloc(ICO_ENTRY_BYTES);
    // One byte a side, in which 0 means 256.
    entry.writeUInt8(pixels % 256, 0);
    entry.writeUInt8(pixels % 256, 1);
    entry.writeUInt16LE(1, 4);
    entry.writeUInt16LE(32, 6);
    entry.writeUInt32LE(png.length, 8);
    entry.writeUInt32LE(offset, 12);
    offset += png.length;
    return entry;
  });
  return Buffer.concat([header, ...entries, ...pictures.map(({ png }) => png)]);
}

/** Kinds of entries of macOS's icon file that hold a PNG, by pixels; 32 and above also stand for half their size on dense screens. */
const ICNS_KINDS = new Map([
  [16, ["icp4"]],
  [32, ["icp5", "ic11"]],
  [64, ["ic12"]],
  [128, ["ic07"]],
  [256, ["ic08", "ic13"]],
  [512, ["ic09", "ic14"]],
  [1024, ["ic10"]],
]);

/**
 * macOS's icon file: a length, then entries of four letters, a length and a PNG.
 * @param {readonly Picture[]} pictures
 */
export function icnsOf(pictures) {
  const entries = pictures.flatMap(({ pixels, png }) => (ICNS_KINDS.get(pixels) ?? []).map((kind) => block(kind, png)));
  return block("icns", Buffer.concat(entries));
}

/**
 * @param {string} kind four letters
 * @param {Buffer} content
 */
function block(kind, content) {
  const head = Buffer.alloc(8);
  head.write(kind, 0, "latin1");
  head.writeUInt32BE(head.length + content.length, 4);
  return Buffer.concat([head, content]);
}
