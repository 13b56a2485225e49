import { z } from "zod";
import { type FileFilter, type OpenRequest, type SaveRequest, type ShellActivity, type ShellMenu, type ShellMenuItem, type ShellNotice, fileKinds } from "../contract/shell.ts";

/*
 * What the shell accepts from the page, within limits that no honest page reaches: a page that was taken over must not be
 * able to hang the shell.
 */

const text = z.string().max(2_000);

const filterSchema: z.ZodType<FileFilter> = z.strictObject({ name: text, extensions: z.array(z.string().regex(/^(\*|[\w+-]{1,16})$/)).max(40) });

export const openRequestSchema: z.ZodType<OpenRequest> = z.strictObject({
  kind: z.enum(fileKinds),
  title: text,
  filters: z.array(filterSchema).max(20),
  multiple: z.boolean(),
  folder: z.boolean(),
});

export const saveRequestSchema: z.ZodType<SaveRequest> = z.strictObject({
  kind: z.enum(fileKinds),
  title: text,
  // A name, not a path: where the file goes is the user's choice in the dialog.
  suggestedName: z.string().max(200).regex(/^[^/\\\0]*$/),
  filters: z.array(filterSchema).max(20),
});

const itemSchema: z.ZodType<ShellMenuItem> = z.lazy(() =>
  z.discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("separator") }),
    z.strictObject({
      kind: z.literal("action"),
      id: z.string().max(100),
      label: text,
      accelerator: z.string().max(60).nullable(),
      enabled: z.boolean(),
      checked: z.boolean().nullable(),
    }),
    z.strictObject({ kind: z.literal("submenu"), label: text, items: z.array(itemSchema).max(200) }),
  ]),
);

export const menusSchema: z.ZodType<readonly ShellMenu[]> = z
  .array(z.strictObject({ label: text, role: z.enum(["app", "edit", "window", "help"]).nullable(), items: z.array(itemSchema).max(200) }))
  .max(30);

export const activitySchema: z.ZodType<ShellActivity> = z.strictObject({
  runningJobs: z.int().min(0),
  unsavedEdits: z.boolean(),
  progress: z.number().min(0).max(1).nullable(),
  words: z.strictObject({ quitQuestion: text, quitDetail: text, keepRunning: text, stopAndQuit: text, cancel: text, open: text, quit: text }),
});

export const noticeSchema: z.ZodType<ShellNotice> = z.strictObject({ title: text, body: text });
export const handleSchema = z.string().max(100);
export const pathSchema = z.string().min(1).max(32_000);
export const addressSchema = z.string().max(2_000);
