import { cleanEnvironment, runProgram } from "../common/child-process.ts";
import { FaultError } from "../common/fault-error.ts";

/** The runtime's own library knows where its program is, on every platform. */
const ASK = "import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())";
const ASK_MILLISECONDS = 60_000;

/**
 * Path of the ffmpeg program: AVATAR_STUDIO_FFMPEG, else the one inside the Python runtime.
 * `python` is the runtime's interpreter. Throws FFMPEG_MISSING, or what `python` throws.
 */
export async function findFfmpeg(environment: NodeJS.ProcessEnv, python: () => Promise<string>): Promise<string> {
  const chosen = environment.AVATAR_STUDIO_FFMPEG;
  if (chosen !== undefined && chosen !== "") return chosen;
  const interpreter = await python();
  const env = Object.fromEntries(Object.entries(cleanEnvironment(environment)).filter(([name]) => name !== "IMAGEIO_FFMPEG_EXE"));
  const { code, stdout } = await runProgram({ command: interpreter, args: ["-I", "-X", "utf8", "-c", ASK], env }, { timeoutMilliseconds: ASK_MILLISECONDS });
  const path = stdout.toString("utf8").trim().split(/\r?\n/).at(-1) ?? "";
  if (code !== 0 || path === "") {
    throw new FaultError({ code: "FFMPEG_MISSING", what: "The media program ffmpeg is not there.", why: "The runtime does not have it; it may be incomplete or older than this program.", hint: "Repair the runtime on the set-up page." });
  }
  return path;
}
