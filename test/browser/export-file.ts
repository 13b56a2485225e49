import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { onTestFinished } from "vitest";
import { RENDER_MILLISECONDS } from "./studio-page.ts";

export interface ExportedFile {
  readonly path: string;
  /** What the browser saves it as. */
  readonly name: string;
}

/**
 * Exports by the dialog, as the browser's download. `format` is what the dialog calls it, `fetch` the button that gives the file, `start` the one that begins.
 * The file is removed when the test ends.
 */
export async function exportFile(page: Page, format: string, prepare: () => Promise<void> = () => Promise.resolve(), fetch = "Save the file", start = "Export"): Promise<ExportedFile> {
  await page.getByRole("button", { name: "Export", exact: true }).click();
  const dialog = page.getByRole("dialog", { name: "Export" });
  await dialog.getByRole("combobox", { name: "Format" }).click();
  await page.getByRole("option", { name: format }).click();
  await prepare();
  await dialog.getByRole("button", { name: start, exact: true }).click();
  const save = dialog.getByRole("button", { name: fetch });
  await save.waitFor({ timeout: RENDER_MILLISECONDS });
  const started = page.waitForEvent("download");
  await save.click();
  const download = await started;
  const folder = mkdtempSync(join(tmpdir(), "avatar-studio-export-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "file");
  await download.saveAs(path);
  await dialog.getByRole("button", { name: "Close", exact: true }).last().click();
  await dialog.waitFor({ state: "detached" });
  return { path, name: download.suggestedFilename() };
}
