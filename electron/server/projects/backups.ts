import { mkdir, readFile, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { removeStaleTemporaries, writeFileAtomically } from "../common/atomic-file.ts";
import { type Backup, backupsToDelete } from "./backup-policy.ts";
import { MOST_PROJECT_BYTES, PROJECT_ENDING } from "./project-file.ts";

/** `000042-20260131T120000Z.avatar` */
const NAME = /^(\d{6,9})-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z\.avatar$/;

interface NamedBackup extends Backup {
  readonly name: string;
}

const folderOf = (projectFolder: string): string => join(projectFolder, "backups");

/** Adds a backup and deletes those that are not worth keeping any more. Throws the system's error when it cannot be written. */
export async function addBackup(projectFolder: string, text: string, now: number): Promise<void> {
  const folder = folderOf(projectFolder);
  await mkdir(folder, { recursive: true });
  const before = await listBackups(projectFolder);
  const sequence = before.reduce((most, one) => Math.max(most, one.sequence), 0) + 1;
  const added: NamedBackup = { name: nameOf(sequence, now), sequence, at: now };
  await writeFileAtomically(join(folder, added.name), text);
  for (const old of backupsToDelete([...before, added], now)) await rm(join(folder, old.name), { force: true });
  await removeStaleTemporaries(folder);
}

/** Texts of the backups, newest first, each read only when it is asked for. */
export async function* backupTexts(projectFolder: string): AsyncGenerator<{ readonly text: string; readonly at: number }, void, undefined> {
  for (const backup of (await listBackups(projectFolder)).toSorted((one, other) => other.sequence - one.sequence)) {
    const path = join(folderOf(projectFolder), backup.name);
    const facts = await stat(path).catch(() => null);
    if (facts?.isFile() !== true || facts.size > MOST_PROJECT_BYTES) continue;
    const text = await readFile(path, "utf8").catch(() => null);
    if (text !== null) yield { text, at: backup.at };
  }
}

async function listBackups(projectFolder: string): Promise<readonly NamedBackup[]> {
  const names = await readdir(folderOf(projectFolder)).catch(() => []);
  return names.flatMap((name) => {
    const parts = NAME.exec(name);
    if (parts === null) return [];
    const [, sequence, year, month, day, hour, minute, second] = parts.map(Number);
    return [{ name, sequence: sequence ?? 0, at: Date.UTC(year ?? 0, (month ?? 1) - 1, day ?? 1, hour ?? 0, minute ?? 0, second ?? 0) }];
  });
}

function nameOf(sequence: number, at: number): string {
  const time = new Date(at).toISOString().replaceAll(/[-:]|\.\d+/g, "");
  return `${String(sequence).padStart(6, "0")}-${time}${PROJECT_ENDING}`;
}

