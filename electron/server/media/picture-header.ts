import type { FileHandle } from "node:fs/promises";
import { open } from "node:fs/promises";

/** What the file itself says about a picture, read without decoding it. */
export interface PictureHeader {
  readonly format: "jpeg" | "png" | "webp";
  /** As stored, before it is turned. */
  readonly width: number;
  readonly height: number;
  /** EXIF orientation, 1 (upright) to 8. */
  readonly orientation: number;
  readonly animated: boolean;
  readonly bitsPerSample: number;
  readonly colour: "grey" | "rgb" | "cmyk" | "palette";
  readonly transparent: boolean;
  /** Whether the end of the picture's data is in the file. */
  readonly complete: boolean;
}

const UPRIGHT = 1;

/** Upright size: orientations 5 to 8 lie on their side. */
export function uprightSize(header: PictureHeader): { readonly width: number; readonly height: number } {
  return header.orientation >= 5 ? { width: header.height, height: header.width } : { width: header.width, height: header.height };
}

/** Reads the structure of a JPEG, PNG or WebP file; null when it is none of them or its structure is broken. Holds at most 64 kB at a time. */
export async function readPictureHeader(path: string): Promise<PictureHeader | null> {
  const file = await open(path, "r");
  try {
    const reader = new FileReader(file, (await file.stat()).size);
    const start = await reader.at(0, 12);
    if (start.length < 12) return null;
    if (start.readUInt16BE(0) === 0xffd8) return await readJpeg(reader);
    if (start.toString("latin1", 0, 8) === "\x89PNG\r\n\x1a\n") return await readPng(reader);
    if (start.toString("latin1", 0, 4) === "RIFF" && start.toString("latin1", 8, 12) === "WEBP") return await readWebp(reader);
    return null;
  } finally {
    await file.close();
  }
}

/** Reads stretches of a file; short at its end. */
class FileReader {
  readonly #file: FileHandle;
  readonly size: number;

  constructor(file: FileHandle, size: number) {
    this.#file = file;
    this.size = size;
  }

  async at(place: number, length: number): Promise<Buffer> {
    const buffer = Buffer.alloc(Math.max(0, Math.min(length, this.size - place)));
    const { bytesRead } = await this.#file.read(buffer, 0, buffer.length, place);
    return buffer.subarray(0, bytesRead);
  }
}

// ---- JPEG (ISO 10918-1 annex B) ----

const MARKER = { startOfScan: 0xda, endOfImage: 0xd9, exif: 0xe1, adobe: 0xee } as const;

async function readJpeg(reader: FileReader): Promise<PictureHeader | null> {
  let frame: { readonly width: number; readonly height: number; readonly bits: number; readonly components: number } | null = null;
  let orientation = UPRIGHT;
  for (let place = 2; ; ) {
    const head = await reader.at(place, 4);
    const marker = head[1];
    // Fill bytes before a marker are allowed.
    if (head[0] === 0xff && marker === 0xff) {
      place += 1;
      continue;
    }
    if (head.length < 4 || head[0] !== 0xff || marker === undefined) return frame === null ? null : jpegFacts(frame, orientation, false);
    const length = head.readUInt16BE(2);
    if (marker === MARKER.startOfScan) {
      if (frame === null) return null;
      return jpegFacts(frame, orientation, await jpegHasEnd(reader, place + 2 + length));
    }
    if (isStartOfFrame(marker)) {
      const body = await reader.at(place + 4, 6);
      if (body.length < 6) return null;
      frame = { bits: body.readUInt8(0), height: body.readUInt16BE(1), width: body.readUInt16BE(3), components: body.readUInt8(5) };
    } else if (marker === MARKER.exif) {
      const body = await reader.at(place + 4, length - 2);
      if (body.toString("latin1", 0, 6) === "Exif\0\0") orientation = exifOrientation(body.subarray(6));
    }
    place += 2 + length;
  }
}

function jpegFacts(frame: { readonly width: number; readonly height: number; readonly bits: number; readonly components: number }, orientation: number, complete: boolean): PictureHeader {
  const colour = frame.components === 1 ? "grey" : frame.components === 4 ? "cmyk" : "rgb";
  return { format: "jpeg", width: frame.width, height: frame.height, orientation, animated: false, bitsPerSample: frame.bits, colour, transparent: false, complete };
}

function isStartOfFrame(marker: number): boolean {
  // C4, C8 and CC lie in the same range and are tables.
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

/** Whether the end marker follows the first scan. Thumbnails in headers have their own, so only what comes after it counts. */
async function jpegHasEnd(reader: FileReader, from: number): Promise<boolean> {
  const STEP = 65_536;
  for (let place = from; place < reader.size; place += STEP) {
    // One byte more, for a marker across the border. In scan data FF is always followed by 00 or a marker.
    const bytes = await reader.at(place, STEP + 1);
    for (let at = bytes.indexOf(0xff); at >= 0; at = bytes.indexOf(0xff, at + 1)) {
      if (bytes[at + 1] === MARKER.endOfImage) return true;
    }
  }
  return false;
}

/** Orientation from TIFF data as EXIF holds it; upright when it does not say. */
export function exifOrientation(tiff: Buffer): number {
  const order = tiff.toString("latin1", 0, 2);
  if (tiff.length < 8 || (order !== "II" && order !== "MM")) return UPRIGHT;
  const little = order === "II";
  const short = (place: number): number => (place + 2 > tiff.length ? 0 : little ? tiff.readUInt16LE(place) : tiff.readUInt16BE(place));
  const directory = little ? tiff.readUInt32LE(4) : tiff.readUInt32BE(4);
  const entries = short(directory);
  for (let entry = 0; entry < entries; entry += 1) {
    const place = directory + 2 + entry * 12;
    if (short(place) !== 0x0112) continue;
    const value = short(place + 8);
    return value >= 1 && value <= 8 ? value : UPRIGHT;
  }
  return UPRIGHT;
}

// ---- PNG (W3C PNG 3rd edition) ----

async function readPng(reader: FileReader): Promise<PictureHeader | null> {
  const header = await reader.at(8, 25);
  if (header.length < 25 || header.toString("latin1", 4, 8) !== "IHDR") return null;
  const kind = header.readUInt8(17);
  let orientation = UPRIGHT;
  let animated = false;
  let complete = false;
  let transparent = kind === 4 || kind === 6;
  for (let place = 8; place + 12 <= reader.size; ) {
    const head = await reader.at(place, 8);
    if (head.length < 8) break;
    const length = head.readUInt32BE(0);
    const name = head.toString("latin1", 4, 8);
    const whole = place + 12 + length <= reader.size;
    if (name === "IEND") {
      complete = whole;
      break;
    }
    if (name === "acTL") animated = true;
    if (name === "tRNS") transparent = true;
    if (name === "eXIf" && length < 1 << 20) orientation = exifOrientation(await reader.at(place + 8, length));
    place += 12 + length;
  }
  const colour = kind === 0 || kind === 4 ? "grey" : kind === 3 ? "palette" : "rgb";
  return { format: "png", width: header.readUInt32BE(8), height: header.readUInt32BE(12), orientation, animated, bitsPerSample: header.readUInt8(16), colour, transparent, complete };
}

// ---- WebP (RFC 9649) ----

async function readWebp(reader: FileReader): Promise<PictureHeader | null> {
  let size: { readonly width: number; readonly height: number } | null = null;
  let orientation = UPRIGHT;
  let animated = false;
  let transparent = false;
  const riff = await reader.at(4, 4);
  const complete = riff.readUInt32LE(0) + 8 <= reader.size;
  for (let place = 12; place + 8 <= reader.size; ) {
    const head = await reader.at(place, 8);
    const name = head.toString("latin1", 0, 4);
    const length = head.readUInt32LE(4);
    const body = await reader.at(place + 8, Math.min(length, 16));
    if (name === "VP8X" && body.length >= 10) {
      animated = (body.readUInt8(0) & 0x02) !== 0;
      transparent = (body.readUInt8(0) & 0x10) !== 0;
      size = { width: body.readUIntLE(4, 3) + 1, height: body.readUIntLE(7, 3) + 1 };
    } else if (name === "VP8 " && body.length >= 10) {
      size ??= { width: body.readUInt16LE(6) & 0x3fff, height: body.readUInt16LE(8) & 0x3fff };
    } else if (name === "VP8L" && body.length >= 5) {
      const bits = body.readUInt32LE(1);
      transparent ||= (bits & 0x1000_0000) !== 0;
      size ??= { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
    } else if (name === "EXIF" && length < 1 << 20) {
      const exif = await reader.at(place + 8, length);
      // Some programs write the introduction that belongs to JPEG.
      orientation = exifOrientation(exif.toString("latin1", 0, 6) === "Exif\0\0" ? exif.subarray(6) : exif);
    }
    place += 8 + length + (length % 2);
  }
  return size === null ? null : { format: "webp", ...size, orientation, animated, bitsPerSample: 8, colour: "rgb", transparent, complete };
}
