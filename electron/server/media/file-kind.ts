/** What the first bytes of a file say it is. */
export type ContentKind = { readonly kind: "picture" } | { readonly kind: "perhaps-sound" } | { readonly kind: "refused"; /** For "It is …". */ readonly is: string };

const PICTURE: ContentKind = { kind: "picture" };
const refused = (is: string): ContentKind => ({ kind: "refused", is });
/** Brands of ISO media files that hold pictures. */
const STILL_BRANDS: Readonly<Record<string, string>> = { heic: "a HEIC picture", heix: "a HEIC picture", heif: "a HEIF picture", mif1: "a HEIF picture", msf1: "a HEIF picture", avif: "an AVIF picture", avis: "an AVIF picture" };

/** Judges the first bytes. Files that are clearly something else are refused by name; ffmpeg would say less. */
export function kindOfContent(start: Buffer): ContentKind {
  const text = start.toString("latin1", 0, 64);
  if (text.startsWith("\xff\xd8\xff") || text.startsWith("\x89PNG\r\n\x1a\n")) return PICTURE;
  if (text.startsWith("RIFF") && text.slice(8, 12) === "WEBP") return PICTURE;
  if (text.slice(4, 8) === "ftyp") {
    const still = STILL_BRANDS[text.slice(8, 12)];
    if (still !== undefined) return refused(`${still}, which is not read here; save it as JPEG`);
  }
  if (/^GIF8[79]a/.test(text)) return refused("a GIF picture, which has too few colours for a portrait");
  if (/^BM.{4}\0\0\0\0/s.test(text)) return refused("a BMP picture; save it as PNG");
  if (/^(II\*\0|MM\0\*)/.test(text)) return refused("a TIFF or raw picture; save it as PNG or JPEG");
  if (text.startsWith("8BPS")) return refused("a Photoshop file; save it as PNG");
  if (text.startsWith("%PDF")) return refused("a PDF document");
  if (text.startsWith("PK\x03\x04")) return refused("an archive or office document");
  if (/^\s*(<\?xml|<svg|<!doctype|<html|\{|#EXTM3U|ffconcat)/i.test(text)) return refused("a text file");
  return { kind: "perhaps-sound" };
}
