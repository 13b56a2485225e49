import { readdirSync } from "node:fs";
import { join, relative } from "node:path";

/** All files and links below a folder, and folders that are empty; sorted, relative to it. */
export function fileTree(folder: string): string[] {
  const walk = (place: string): string[] => {
    const entries = readdirSync(place, { withFileTypes: true });
    if (entries.length === 0 && place !== folder) return [`${relative(folder, place)}/`];
    return entries.flatMap((entry) => (entry.isDirectory() ? walk(join(place, entry.name)) : [relative(folder, join(place, entry.name))]));
  };
  return walk(folder).sort();
}
