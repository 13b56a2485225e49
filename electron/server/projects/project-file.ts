import { MEGABYTE } from "../../contract/byte-size.ts";
import { violationsOf } from "../../contract/document/invariants.ts";
import { migrate } from "../../contract/document/migrate.ts";
import { type ProjectDocument, projectDocumentSchema } from "../../contract/document/project-document.schema.ts";
import { type Fault } from "../../contract/fault.schema.ts";

/** The document's file in a project's folder. */
export const PROJECT_FILE = "project.avatar";
export const PROJECT_ENDING = ".avatar";
/** Real projects have some hundred kilobytes; this bounds what a hostile file can cost. */
export const MOST_PROJECT_BYTES = 32 * MEGABYTE;

export type ReadProject =
  | { readonly kind: "ok"; readonly document: ProjectDocument; readonly revision: number; readonly migratedFrom: number | null }
  /** Written by a newer program: left alone. */
  | { readonly kind: "newer"; readonly fault: Fault }
  /** Not readable as a project: a backup may help. */
  | { readonly kind: "damaged"; readonly fault: Fault };

/** Reads a project's text. Takes time linear in its length, whatever is in it, and never throws. */
export function parseProject(text: string): ReadProject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { kind: "damaged", fault: damaged("It ends in the middle, or holds something that is not text of a project.") };
  }
  const migrated = migrate(value);
  if (migrated.kind === "newer") return { kind: "newer", fault: newer(migrated.version) };
  if (migrated.kind === "unknown") return { kind: "damaged", fault: damaged("It is not a project of Avatar Studio.") };
  const { revision, document } = withoutRevision(migrated.value);
  const checked = projectDocumentSchema.safeParse(document);
  if (!checked.success) return { kind: "damaged", fault: damaged(`"${fieldOf(checked.error.issues[0]?.path ?? [])}" has a value that no project can have.`) };
  const [broken] = violationsOf(checked.data);
  if (broken !== undefined) return { kind: "damaged", fault: damaged(`Its parts contradict each other, first at "${broken.path}".`) };
  return { kind: "ok", document: checked.data, revision, migratedFrom: migrated.migratedFrom };
}

/** The text of a project's file: the document with its revision. */
export function projectText(document: ProjectDocument, revision: number): string {
  return `${JSON.stringify({ ...document, revision }, null, 1)}\n`;
}

function withoutRevision({ revision, ...document }: Readonly<Record<string, unknown>>): { readonly revision: number; readonly document: unknown } {
  return { revision: typeof revision === "number" && Number.isSafeInteger(revision) && revision >= 0 ? revision : 0, document };
}

function fieldOf(path: readonly PropertyKey[]): string {
  return path.map((part) => String(part)).join(".").slice(0, 200);
}

function damaged(why: string): Fault {
  return { code: "PROJECT_DAMAGED", what: "The project file is damaged.", why, hint: "Open one of the copies in the project's backups folder, or a copy of your own.", field: null };
}

function newer(version: number): Fault {
  return {
    code: "PROJECT_NEWER",
    what: "The project was made by a newer Avatar Studio.",
    why: `Its file has version ${String(version)}, which this program does not know. The file was not touched.`,
    hint: "Update Avatar Studio, then open it again.",
    field: null,
  };
}
