import { existsSync, watch } from "node:fs";
import { join } from "node:path";
import { argv, exit, kill, pid, stdout } from "node:process";
import { openArchive } from "../../../electron/server/runtime/archive/open-archive.ts";
import { installRuntime } from "../../../electron/server/runtime/install/install-runtime.ts";
import { probeRuntime } from "../../../electron/server/runtime/install/probe.ts";

/**
 * Installs an archive and kills itself on the way: `install-once INDEX FOLDER WHEN`, where WHEN is the number of the progress report, `probe`, or `renamed`; `never` tells how many
 * reports there were.
 */
const [, , index = "", folder = "", when = ""] = argv;
const die = (): void => void kill(pid, "SIGKILL");
let reports = 0;
if (when === "renamed") {
  watch(folder, (_, name) => {
    if (name !== null && /^\d+-/.test(name) && existsSync(join(folder, name))) die();
  });
}
await installRuntime({
  archive: await openArchive(index),
  folder,
  signal: new AbortController().signal,
  probe: async (python, temporary, signal) => {
    const probe = await probeRuntime(python, temporary, signal);
    if (when === "probe") die();
    return probe;
  },
  onProgress: () => {
    reports += 1;
    if (String(reports) === when) die();
  },
});
stdout.write(String(reports), () => exit(0));
