import { FaultError } from "../../common/fault-error.ts";

const COPY_AGAIN = "Copy or download the archive again. What is installed was not touched.";

/** The index cannot be used. */
export function indexUnreadable(why: string): FaultError {
  return new FaultError({ code: "ARCHIVE_UNREADABLE", what: "This is not a usable runtime archive.", why, hint: "Choose the .json file that came with the archive, or get the archive again." });
}

export function indexNewer(): FaultError {
  return new FaultError({ code: "ARCHIVE_NEWER", what: "The archive is for a newer Avatar Studio.", why: "Its form is one that this version does not know.", hint: "Update Avatar Studio, or choose the archive of this version." });
}

export function volumeMissing(name: string): FaultError {
  return new FaultError({ code: "ARCHIVE_VOLUME_MISSING", what: `A part of the archive is missing: ${name}`, why: "All parts must lie in the folder of the .json file.", hint: "Copy or download the missing part beside the others.", field: name });
}

export function volumeDamaged(name: string, why: string): FaultError {
  return new FaultError({ code: "ARCHIVE_VOLUME_DAMAGED", what: `A part of the archive is damaged: ${name}`, why, hint: "Copy or download this part again; the others may stay. What is installed was not touched.", field: name });
}

/** The content contradicts the archive's own list. */
export function contentDamaged(why: string): FaultError {
  return new FaultError({ code: "ARCHIVE_DAMAGED", what: "The archive's content is not what it says.", why, hint: COPY_AGAIN });
}

/** Something in it could write elsewhere. */
export function contentUnsafe(why: string): FaultError {
  return new FaultError({ code: "ARCHIVE_UNSAFE", what: "The archive was refused.", why, hint: "Get it from its original source. Nothing was written outside the installation's own folder." });
}
