import type { EditCommand, EditLabel } from "./commands.ts";

/** Name of an edit for the undo menu. The key is `edit.` and the command's type (`edit.addSegment.prompt` for a new segment); `count` is how many things it is about. */
export function labelOf(command: EditCommand): EditLabel {
  if (command.type === "batch") return command.label;
  if (command.type === "addSegment") return { key: `edit.addSegment.${command.content.kind}`, values: { count: 1 } };
  const count = "ids" in command ? command.ids.length : command.type === "paste" ? command.clipboard.items.length : 1;
  return { key: `edit.${command.type}`, values: { count } };
}
