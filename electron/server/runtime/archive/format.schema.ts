import { z } from "zod";
import { nameFault } from "./file-names.ts";

/** What this program can read; a later form has a higher number. docs/decisions/0016-runtime-archive.md describes it. */
export const ARCHIVE_FORMAT = 1;
/** First file in the tar, and in the installed runtime. */
export const MANIFEST_NAME = "runtime.json";
/** Name of an index: the rest says what it is for, but only its content counts. */
export const INDEX_NAME = /^avatar-studio-runtime-[0-9A-Za-z.+-]{1,80}\.json$/;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const bytes = z.int().min(0);
const version = z.string().regex(/^[0-9A-Za-z.+-]{1,40}$/);

const identity = {
  format: z.literal(ARCHIVE_FORMAT),
  /** Such as `0.1.0-linux-x64-cpu`. */
  id: z.string().regex(/^[0-9A-Za-z][0-9A-Za-z.+-]{0,79}$/),
  engineVersion: version,
  platform: z.enum(["linux", "darwin", "win32"]),
  arch: z.enum(["x64", "arm64"]),
  gpu: z.enum(["cpu", "cu13"]),
  python: version,
  torch: version,
  needs: z.object({
    /** Oldest glibc that its programs run with; null where there is none. */
    glibc: version.nullable(),
    /** Null for the build without CUDA. */
    cuda: z.object({ version, driver: version, /** Such as `sm_90`. */ architectures: z.array(z.string().regex(/^(sm|compute)_\d{2,3}[a-z]?$/)) }).nullable(),
  }),
};

/** A name without folders, so that a volume lies beside its index and nowhere else. */
const volumeName = z.string().regex(/^[0-9A-Za-z][0-9A-Za-z.+_-]{0,150}$/);

export const archiveIndexSchema = z
  .object({
    ...identity,
    kind: z.literal("avatar-studio-runtime"),
    files: z.int().min(1),
    unpackedBytes: bytes,
    /** Length of the longest path within the runtime. */
    longestPath: z.int().min(1),
    manifestSha256: sha256,
    volumes: z.array(z.object({ name: volumeName, bytes: z.int().min(1), sha256 })).min(1).max(999),
  })
  .refine(({ volumes }) => new Set(volumes.map((volume) => volume.name)).size === volumes.length, "a volume is listed twice");
export type ArchiveIndex = z.infer<typeof archiveIndexSchema>;

export const runtimeManifestSchema = z.object({
  ...identity,
  packages: z.array(z.object({ name: z.string(), version: z.string(), licence: z.string() })),
  files: z
    .array(z.object({ path: z.string(), bytes, sha256, executable: z.boolean() }))
    .min(1)
    .superRefine((files, context) => {
      const fault = nameFault(files.map((file) => file.path));
      if (fault !== null) context.addIssue({ code: "custom", message: fault });
    }),
});
export type RuntimeManifest = z.infer<typeof runtimeManifestSchema>;
export type ManifestFile = RuntimeManifest["files"][number];
