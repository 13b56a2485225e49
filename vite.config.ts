import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

/** The page, for the Chromium of the newest Electron and for browsers of about its age. */
export default defineConfig({
  root: fileURLToPath(new URL("renderer", import.meta.url)),
  // Relative, so that the page also works below a path of a reverse proxy.
  base: "./",
  plugins: [react()],
  build: {
    outDir: fileURLToPath(new URL("dist/renderer", import.meta.url)),
    emptyOutDir: true,
    target: "es2023",
    sourcemap: true,
    // The page's security policy allows no `data:` scripts or fonts; files are as fast on the same machine.
    assetsInlineLimit: 0,
    // The server reads from it what may be cached for ever; the size test what the first screen loads.
    manifest: true,
    // In kilobytes before compression; the size that counts is held by a test.
    chunkSizeWarningLimit: 1_500,
  },
});
