const PCM = 1;
const FLOAT = 3;
/** Sizes in the 32-bit fields of RF64 are this; the real ones are in `ds64`. */
const IN_DS64 = 0xffff_ffff;

export interface WavFormat {
  readonly sampleRate: number;
  readonly channels: number;
  readonly sampleFormat: "s16" | "f32";
}

export const bytesPerSample = { s16: 2, f32: 4 } as const;

/** Bytes before the samples of a file that {@link wavHeader} begins. */
export const WAV_HEADER_BYTES = 80;

/**
 * The header of a WAV file with `frames` samples per channel. Above 4 GB it is RF64 (EBU Tech 3306); below, the room of
 * its `ds64` chunk is a `JUNK` chunk, so that all headers have the same length.
 */
export function wavHeader(format: WavFormat, frames: number): Buffer {
  const width = bytesPerSample[format.sampleFormat];
  const dataBytes = frames * format.channels * width;
  const riffBytes = WAV_HEADER_BYTES - 8 + dataBytes + (dataBytes % 2);
  const large = riffBytes >= IN_DS64;
  const header = Buffer.alloc(WAV_HEADER_BYTES);
  header.write(large ? "RF64" : "RIFF", 0, "latin1");
  header.writeUInt32LE(large ? IN_DS64 : riffBytes, 4);
  header.write(large ? "WAVEds64" : "WAVEJUNK", 8, "latin1");
  header.writeUInt32LE(28, 16);
  if (large) {
    header.writeBigUInt64LE(BigInt(riffBytes), 20);
    header.writeBigUInt64LE(BigInt(dataBytes), 28);
    header.writeBigUInt64LE(BigInt(frames), 36);
  }
  header.write("fmt ", 48, "latin1");
  header.writeUInt32LE(16, 52);
  header.writeUInt16LE(format.sampleFormat === "s16" ? PCM : FLOAT, 56);
  header.writeUInt16LE(format.channels, 58);
  header.writeUInt32LE(format.sampleRate, 60);
  header.writeUInt32LE(format.sampleRate * format.channels * width, 64);
  header.writeUInt16LE(format.channels * width, 68);
  header.writeUInt16LE(width * 8, 70);
  header.write("data", 72, "latin1");
  header.writeUInt32LE(large ? IN_DS64 : dataBytes, 76);
  return header;
}

export interface WavStart {
  readonly sampleRate: number;
  readonly channels: number;
  readonly bytesPerSecond: number;
  readonly dataOffset: number;
  /** As the header says; programs that write as they go leave 0 or the largest number there. */
  readonly dataBytes: number;
}

/** What WAV begins with; null while more bytes are needed. Throws when it is no WAV. */
export function readWavStart(bytes: Buffer): WavStart | null {
  if (bytes.length < 12) return null;
  if (!isWav(bytes)) throw new Error("Not WAV");
  let format: Pick<WavStart, "sampleRate" | "channels" | "bytesPerSecond"> | null = null;
  for (let place = 12; place + 8 <= bytes.length; ) {
    const kind = bytes.toString("latin1", place, place + 4);
    const length = bytes.readUInt32LE(place + 4);
    if (kind === "data") {
      return format === null ? null : { ...format, dataOffset: place + 8, dataBytes: length };
    }
    if (kind === "fmt " && place + 24 <= bytes.length) format = { channels: bytes.readUInt16LE(place + 10), sampleRate: bytes.readUInt32LE(place + 12), bytesPerSecond: bytes.readUInt32LE(place + 16) };
    place += 8 + length + (length % 2);
  }
  return null;
}

/** Length that the header of a WAV file promises, in seconds; null when it does not say or the file is another one. */
export function promisedWavSeconds(start: Buffer): number | null {
  if (start.length < 12 || !isWav(start)) return null;
  const header = readWavStart(start);
  if (header === null || header.dataBytes === 0 || header.dataBytes === IN_DS64 || header.bytesPerSecond === 0) return null;
  return header.dataBytes / header.bytesPerSecond;
}

function isWav(bytes: Buffer): boolean {
  return /^(RIFF|RF64)$/.test(bytes.toString("latin1", 0, 4)) && bytes.toString("latin1", 8, 12) === "WAVE";
}
