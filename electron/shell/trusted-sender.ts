import { type IpcMainInvokeEvent, ipcMain } from "electron";
import type { z } from "zod";

/** Registers functions that only the studio's own page may call. */
export interface PageFunctions {
  readonly handle: <Request>(channel: string, schema: z.ZodType<Request>, answer: (request: Request) => unknown) => void;
}

/**
 * Every call is refused unless it comes from the main frame of our page and fits its schema.
 * https://www.electronjs.org/docs/latest/tutorial/security#17-validate-the-sender-of-all-ipc-messages
 */
export function pageFunctions(isOurs: (address: string) => boolean): PageFunctions {
  return {
    handle: (channel, schema, answer) => {
      ipcMain.handle(channel, async (event, request: unknown) => {
        if (!isFromOurPage(event, isOurs)) throw new Error("Refused: not the studio's page.");
        return await answer(schema.parse(request));
      });
    },
  };
}

function isFromOurPage({ senderFrame }: IpcMainInvokeEvent, isOurs: (address: string) => boolean): boolean {
  return senderFrame !== null && senderFrame.parent === null && isOurs(senderFrame.url);
}
