import { join } from "node:path";
import { compressPage } from "./compress-page.mjs";
import { repositoryRoot } from "./setup/paths.mjs";

/**
 * For whom the shell and the page are built: the Electron and the browsers of today, or Electron 9 (Chromium 83, Node 12),
 * in which the shell's tests can run on machines that cannot fetch the newest one.
 * @typedef {"current" | "electron-9"} Variant
 */

const NODE = { current: "node22", "electron-9": "node12" };

// Packages of the CommonJS kind call `require`, which modules do not have.
const REQUIRE = 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);';

/** @type {import("esbuild").BuildOptions} */
const shared = { bundle: true, platform: "node", sourcemap: true, logLevel: "warning", legalComments: "none" };

/**
 * The studio server: one module that needs no node_modules.
 * @param {string} outDir
 * @returns {import("esbuild").BuildOptions}
 */
export function serverBuildOptions(outDir) {
  return {
    ...shared,
    entryPoints: [join(repositoryRoot, "electron", "server", "main.ts")],
    outdir: outDir,
    format: "esm",
    target: "node20",
    banner: { js: REQUIRE },
    // Optional native speed-ups of ws; it works without them.
    external: ["bufferutil", "utf-8-validate"],
  };
}

/** @param {string} outDir */
export async function bundleServer(outDir) {
  const { build } = await import("esbuild");
  await build(serverBuildOptions(outDir));
}

/**
 * The shell's main process and its preload script. A sandboxed preload must be one CommonJS file.
 * @param {string} outDir
 * @param {Variant} variant
 */
export async function bundleShell(outDir, variant = "current") {
  const folder = join(repositoryRoot, "electron", "shell");
  const { build } = await import("esbuild");
  await build({
    ...shared,
    entryPoints: { main: join(folder, "main.ts"), preload: join(folder, "preload.ts") },
    outdir: outDir,
    outExtension: { ".js": ".cjs" },
    format: "cjs",
    target: NODE[variant],
    // The icon lies inside the program: its path differs between a checkout and a package.
    loader: { ".png": "dataurl" },
    ...(variant === "current" ? { external: ["electron"] } : { plugins: [oldElectron] }),
  });
}

/** @type {import("esbuild").Plugin} */
const oldElectron = {
  name: "old-electron",
  setup: (build) => {
    const standIn = join(repositoryRoot, "test", "support", "electron-9.ts");
    build.onResolve({ filter: /^electron$/ }, ({ importer }) => (importer === standIn ? { path: "electron", external: true } : { path: standIn }));
  },
};

/**
 * The page.
 * @param {string} outDir
 * @param {Variant} variant
 */
export async function bundleRenderer(outDir, variant = "current") {
  const { build } = await import("vite");
  const before = process.env.NODE_ENV;
  // A caller such as a test runner has another value, with which Vite would put React's slow development build into the page.
  process.env.NODE_ENV = "production";
  try {
    await build({
      configFile: join(repositoryRoot, "vite.config.ts"),
      logLevel: "warn",
      plugins: variant === "current" ? [] : [oldChromium],
      build: { outDir, ...(variant === "current" ? {} : { target: "chrome83", cssTarget: "chrome83" }) },
    });
  } finally {
    if (before === undefined) delete process.env.NODE_ENV;
    else process.env.NODE_ENV = before;
  }
  compressPage(outDir);
}

/** @type {import("vite").Plugin} */
const oldChromium = {
  name: "old-chromium",
  transform: (code, id) => {
    if (id !== join(repositoryRoot, "renderer", "src", "main.tsx")) return null;
    // On the same line, so that the lines of the source map stay right.
    return { code: `import ${JSON.stringify(join(repositoryRoot, "test", "support", "electron-9-page.ts"))};${code}`, map: null };
  },
};
