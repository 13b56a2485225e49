import { test } from "node:test";
import { join } from "node:path";
import { RuleTester } from "eslint";
import tseslint from "typescript-eslint";
import { repositoryRoot } from "../setup/paths.mjs";
import { importDirection } from "./import-direction.mjs";

const at = (/** @type {string} */ path) => join(repositoryRoot, path);
RuleTester.it = test;
RuleTester.describe = (_name, run) => run();
const tester = new RuleTester({ languageOptions: { parser: /** @type {import("eslint").Linter.Parser} */ (tseslint.parser) } });

/**
 * @param {string} path
 * @param {string} code
 */
const allowed = (path, code) => ({ name: `${path} may: ${code}`, filename: at(path), code });
/**
 * @param {string} path
 * @param {string} code
 */
const forbidden = (path, code) => ({ name: `${path} may not: ${code}`, filename: at(path), code, errors: [{ messageId: "forbidden" }] });

process.chdir(repositoryRoot);
tester.run("import-direction", importDirection, {
  valid: [
    allowed("electron/server/jobs/queue.ts", 'import { x } from "../../contract/jobs.schema.ts";'),
    allowed("electron/server/jobs/queue.ts", 'import { x } from "../common/files.ts";'),
    allowed("electron/server/jobs/parts/one.ts", 'import { x } from "../queue.ts";'),
    allowed("electron/server/main.ts", 'import { x } from "./jobs/queue.ts"; import { y } from "./http.ts";'),
    allowed("electron/server/jobs/queue.test.ts", 'import { x } from "../media/probe.ts";'),
    allowed("electron/shell/main.ts", 'import { app } from "electron"; import { x } from "../contract/shell.schema.ts";'),
    allowed("electron/shell/preload.ts", 'import type { X } from "../contract/shell.schema.ts"; import { c } from "../contract/shell.ts";'),
    allowed("renderer/src/app.tsx", 'import type { X } from "../../electron/contract/jobs.schema.ts";'),
    allowed("renderer/src/app.tsx", 'import { type X } from "../../electron/contract/jobs.schema.ts";'),
    allowed("renderer/src/app.tsx", 'import { x } from "../../electron/contract/time.ts"; import React from "react";'),
    allowed("electron/contract/jobs.schema.ts", 'import { z } from "zod"; import { x } from "./fault.schema.ts";'),
    allowed("electron/contract/takes.ts", 'import type { X } from "./fault.schema.ts"; import type { z } from "zod";'),
    allowed("electron/shell/main.ts", 'import icon from "../../resources/icons/icon.png";'),
    allowed("test/electron/electron-9.ts", 'import { app } from "electron";'),
    allowed("test/browser/one.test.ts", 'import { x } from "../../electron/server/main.ts";'),
  ],
  invalid: [
    forbidden("electron/server/jobs/queue.ts", 'import { x } from "../media/probe.ts";'),
    forbidden("electron/server/jobs/queue.ts", 'import type { X } from "../media/probe.ts";'),
    forbidden("electron/server/jobs/queue.ts", 'export * from "../media/probe.ts";'),
    forbidden("electron/server/jobs/queue.ts", 'const x = await import("../media/probe.ts");'),
    forbidden("electron/server/jobs/queue.ts", 'import { x } from "../main.ts";'),
    forbidden("electron/server/common/files.ts", 'import { x } from "../jobs/queue.ts";'),
    forbidden("electron/server/main.ts", 'import { x } from "../shell/main.ts";'),
    forbidden("electron/server/main.ts", 'import { app } from "electron";'),
    forbidden("electron/shell/main.ts", 'import { x } from "../server/main.ts";'),
    forbidden("electron/shell/preload.ts", 'import { x } from "../contract/shell.schema.ts";'),
    forbidden("electron/contract/time.ts", 'import { x } from "../server/common/files.ts";'),
    forbidden("electron/contract/time.ts", 'import { z } from "zod";'),
    forbidden("electron/contract/time.ts", 'import { x } from "./jobs.schema.ts";'),
    forbidden("renderer/src/app.tsx", 'import { x } from "../../electron/contract/jobs.schema.ts";'),
    forbidden("renderer/src/app.tsx", 'export { x } from "../../electron/contract/jobs.schema.ts";'),
    forbidden("renderer/src/app.tsx", 'import { x } from "../../electron/server/common/files.ts";'),
    forbidden("renderer/src/app.tsx", 'import { z } from "zod";'),
  ],
});
