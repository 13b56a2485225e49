import { execFile } from "node:child_process";
import { readFile, readdir, readlink } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);
const ASK_MILLISECONDS = 5_000;

/** Who listens on a TCP port, such as `node (process 4711)`; null where the system does not tell. Never throws. */
export async function portHolder(port: number): Promise<string | null> {
  try {
    if (process.platform === "linux") return await linuxHolder(port);
    return process.platform === "win32" ? await windowsHolder(port) : await lsofHolder(port);
  } catch {
    return null;
  }
}

async function linuxHolder(port: number): Promise<string | null> {
  const tables = await Promise.all(["/proc/net/tcp", "/proc/net/tcp6"].map((path) => readFile(path, "utf8").catch(() => "")));
  const sockets = new Set(tables.flatMap((table) => listeningSockets(table, port)).map((inode) => `socket:[${inode}]`));
  if (sockets.size === 0) return null;
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    const files = await readdir(`/proc/${pid}/fd`).catch(() => []);
    for (const file of files) {
      if (sockets.has(await readlink(`/proc/${pid}/fd/${file}`).catch(() => ""))) return named((await readFile(`/proc/${pid}/comm`, "utf8")).trim(), pid);
    }
  }
  return "a program of another user";
}

/** Inodes of the sockets that listen on a port, from a table such as /proc/net/tcp. */
export function listeningSockets(table: string, port: number): readonly string[] {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return table.split("\n").slice(1).map((line) => line.trim().split(/\s+/)).filter((fields) => fields[1]?.endsWith(wanted) === true && fields[3] === "0A").map((fields) => fields[9] ?? "");
}

async function lsofHolder(port: number): Promise<string | null> {
  const { stdout } = await run("lsof", ["-nP", `-iTCP:${String(port)}`, "-sTCP:LISTEN", "-Fpc"], { timeout: ASK_MILLISECONDS });
  const pid = /^p(\d+)$/m.exec(stdout)?.[1];
  const name = /^c(.+)$/m.exec(stdout)?.[1];
  return pid === undefined || name === undefined ? null : named(name, pid);
}

async function windowsHolder(port: number): Promise<string | null> {
  const script = `$c = Get-NetTCPConnection -LocalPort ${String(port)} -State Listen -ErrorAction Stop | Select-Object -First 1; $p = Get-Process -Id $c.OwningProcess; "$($p.ProcessName)|$($p.Id)"`;
  const { stdout } = await run("powershell.exe", ["-NoProfile", "-NonInteractive", "-Command", script], { timeout: ASK_MILLISECONDS, windowsHide: true });
  const [name, pid] = stdout.trim().split("|");
  return name === undefined || pid === undefined ? null : named(name, pid);
}

function named(name: string, pid: string): string {
  return `${name} (process ${pid})`;
}
