import { createHash } from "node:crypto";
import { access, constants, lstat, mkdir } from "node:fs/promises";
import { join } from "node:path";

/**
 * Folder for what is made from a project's files and can be made anew: its own `cache`, so that it moves with the project, or one below `fallback`
 * when that cannot be written or is a link that leads out of the project.
 */
export async function projectCache(projectFolder: string, fallback: string): Promise<string> {
  const own = join(projectFolder, "cache");
  try {
    await mkdir(own, { recursive: true });
    if ((await lstat(own)).isDirectory()) {
      await access(own, constants.W_OK);
      return own;
    }
  } catch {
    // A read-only project still has pictures and waveforms.
  }
  return join(fallback, "projects", createHash("sha256").update(projectFolder).digest("hex").slice(0, 32));
}
