import { expect, test } from "vitest";
import { FaultError } from "./common/fault-error.ts";
import { parseCommand } from "./options.ts";

test("flags are understood with dashes, underscores, and as one word", () => {
  const options = { port: 8000, host: "127.0.0.1", dataFolder: "/d_e", takeNextPort: true, readyJson: false, allowedHosts: [], installation: null, offline: false, page: null };
  for (const args of [["--server-port", "8000", "--data-dir", "/d_e", "--next-port"], ["--server_port=8000", "--data_dir=/d_e", "--next_port"]]) expect(parseCommand(args)).toEqual({ kind: "serve", options });
  expect([parseCommand(["--help"]).kind, parseCommand(["--version"]).kind, parseCommand(["--set-password"]).kind, parseCommand([]).kind]).toEqual(["help", "version", "set-password", "serve"]);
});

test("what is not understood is refused in words", () => {
  const codeOf = (...args: string[]): string => {
    try {
      return parseCommand(args).kind;
    } catch (error) {
      return error instanceof FaultError ? error.fault.code : "thrown";
    }
  };
  expect([codeOf("--unknown"), codeOf("extra"), codeOf("--server-port"), codeOf("--server-port", "x"), codeOf("--server-port", "70000"), codeOf("--server-port=-1"), codeOf("--allowed-host", "https://a")]).toEqual(["OPTION_UNKNOWN", "OPTION_UNKNOWN", "OPTION_UNKNOWN", "OPTION_INVALID", "OPTION_INVALID", "OPTION_INVALID", "OPTION_INVALID"]);
});
