import { parseArgs } from "node:util";
import { FaultError } from "./common/fault-error.ts";

/** What the server was asked to be, from its command line. */
export type Command = { readonly kind: "help" } | { readonly kind: "version" } | { readonly kind: "set-password"; readonly dataFolder: string | null } | { readonly kind: "serve"; readonly options: ServeOptions };

export interface ServeOptions {
  /** Null: 7860 in web mode, any free one in desktop mode. */
  readonly port: number | null;
  readonly host: string;
  readonly dataFolder: string | null;
  readonly takeNextPort: boolean;
  /** Make reaching any other machine impossible, for this program and all that it starts. */
  readonly offline: boolean;
  /** Print one line of JSON when ready, and end when stdin ends: for the program that started this one. */
  readonly readyJson: boolean;
  /** `name:port` under which a reverse proxy is asked. */
  readonly allowedHosts: readonly string[];
  /** Where shipped models, examples and the Python runtime are; null: found from the program's own place. */
  readonly installation: string | null;
  readonly page: string | null;
}

export const DEFAULT_WEB_PORT = 7860;

export const HELP = `Avatar Studio server: serves the studio to a browser on this machine, or on the network with a password.

  --server-port PORT   port to listen on (default ${String(DEFAULT_WEB_PORT)}; 0 takes any free one)
  --next-port          when the port is in use, take the next free one
  --host ADDRESS       listen on this address of the machine (0.0.0.0: all); needs a password
  --set-password       ask for that password, keep its hash in the data folder, and end
  --allowed-host NAME  also answer to this host name, as \`name\` or \`name:port\`, for a reverse proxy; may be given several times
  --offline            make it impossible to fetch anything from the network
  --data-dir FOLDER    where projects, jobs, settings and logs are kept
  --installation DIR   where shipped models, examples and the Python runtime are
  --page FOLDER        the built page
  --ready-json         print one line of JSON when ready, and end when stdin ends
  --version, --help

AVATAR_STUDIO_PASSWORD, when set, is the password of this run, or the one that --set-password keeps.`;

/** Understands `--server-port 7860`, `--server_port=7860`. Throws OPTION_UNKNOWN or OPTION_INVALID. */
export function parseCommand(args: readonly string[]): Command {
  const { values } = parsed(args.map(withDashes));
  if (values.help === true) return { kind: "help" };
  if (values.version === true) return { kind: "version" };
  const dataFolder = values["data-dir"] ?? null;
  if (values["set-password"] === true) return { kind: "set-password", dataFolder };
  return {
    kind: "serve",
    options: {
      port: values["server-port"] === undefined ? null : portOf(values["server-port"]),
      host: values.host ?? "127.0.0.1",
      dataFolder,
      takeNextPort: values["next-port"] === true,
      offline: values.offline === true,
      readyJson: values["ready-json"] === true,
      allowedHosts: (values["allowed-host"] ?? []).map(hostOf),
      installation: values.installation ?? null,
      page: values.page ?? null,
    },
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      strict: true,
      allowPositionals: false,
      options: {
        "server-port": { type: "string" },
        "next-port": { type: "boolean" },
        host: { type: "string" },
        "set-password": { type: "boolean" },
        "allowed-host": { type: "string", multiple: true },
        "data-dir": { type: "string" },
        installation: { type: "string" },
        page: { type: "string" },
        offline: { type: "boolean" },
        "ready-json": { type: "boolean" },
        version: { type: "boolean" },
        help: { type: "boolean" },
      },
    });
  } catch (error) {
    throw new FaultError({ code: "OPTION_UNKNOWN", what: "An option was not understood.", why: error instanceof Error ? error.message : String(error), hint: "See --help for the options." });
  }
}

/** Flags are accepted with underscores too. */
function withDashes(argument: string): string {
  const flag = /^--[a-z_-]+/.exec(argument)?.[0] ?? "";
  return flag.replaceAll("_", "-") + argument.slice(flag.length);
}

function portOf(text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port;
  throw new FaultError({ code: "OPTION_INVALID", what: `"${text}" is not a port.`, why: "Ports are whole numbers from 0 to 65535.", hint: `Use for example --server-port ${String(DEFAULT_WEB_PORT)}.`, field: "server_port" });
}

function hostOf(text: string): string {
  if (/^[a-z0-9.-]+(:\d{1,5})?$|^\[[0-9a-f:]+\](:\d{1,5})?$/i.test(text)) return text.toLowerCase();
  throw new FaultError({ code: "OPTION_INVALID", what: `"${text}" is not a host name.`, why: "It has to look as browsers send it, such as studio.example.org or studio.example.org:8443.", hint: "Leave out https:// and what follows the name.", field: "allowed_host" });
}
