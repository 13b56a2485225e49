import { type Fault } from "../../contract/fault.schema.ts";

/** An error whose text is meant for the user. Everything a capability refuses is thrown as one. */
export class FaultError extends Error {
  readonly fault: Fault;

  constructor(fault: Omit<Fault, "field"> & { readonly field?: string | null }, options?: ErrorOptions) {
    super(`${fault.what} ${fault.why}`, options);
    this.name = "FaultError";
    this.fault = { ...fault, field: fault.field ?? null };
  }
}

/** The code of an error of the operating system, such as `ENOENT`; null for any other error. */
export function systemErrorCode(error: unknown): string | null {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : null;
}

/** True for the error that an aborted signal causes. */
export function isAbortError(error: unknown): boolean {
  return error instanceof Error && (error.name === "AbortError" || systemErrorCode(error) === "ABORT_ERR");
}

/**
 * What the user reads for any error. Texts of unexpected errors stay in the log: they may hold paths and code.
 */
export function faultOf(error: unknown): Fault {
  if (error instanceof FaultError) return error.fault;
  const known = fileFault(error);
  if (known !== null) return known;
  return {
    code: "INTERNAL_ERROR",
    what: "Something went wrong inside Avatar Studio.",
    why: "The program met a case it was not prepared for. The details are in its log.",
    hint: "Try again. If it happens again, copy the diagnostics and send them to somebody who helps.",
    field: null,
  };
}

/** The error of a file operation in words, without the path; null when it is none that users can mend. */
export function fileFault(error: unknown): Fault | null {
  switch (systemErrorCode(error) ?? "") {
    case "ENOSPC":
    case "EDQUOT":
      return { code: "DISK_FULL", what: "The disk is full.", why: "There was no room left while a file was being written.", hint: "Free some space, then try again. Nothing half-written was kept.", field: null };
    case "EACCES":
    case "EPERM":
      return { code: "FILE_NOT_PERMITTED", what: "A file could not be used.", why: "The system does not permit it, or another program holds the file.", hint: "Close programs that use it, or check the permissions of the folder.", field: null };
    case "EROFS":
      return { code: "DISK_READ_ONLY", what: "The file could not be written.", why: "The disk is read-only.", hint: "Choose a folder that can be written.", field: null };
    case "EMFILE":
    case "ENFILE":
      return { code: "TOO_MANY_FILES", what: "The file could not be opened.", why: "The system allows no more open files.", hint: "Close other programs, then try again.", field: null };
    case "EIO":
      return { code: "DISK_ERROR", what: "The disk reports an error.", why: "Reading or writing failed.", hint: "Check the disk and its cable, and copy your projects to another disk.", field: null };
    default:
      return null;
  }
}
