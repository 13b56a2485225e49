import { z } from "zod";
import { faultSchema } from "./fault.schema.ts";

/*
 * Between the shell and the server it started with `--ready-json`. The server first writes one line to stdout (serverStartSchema);
 * then both send messages: through `process.parentPort` in a utility process, through `process.send` in a child of Node.
 */

/** The server's first line on stdout. */
export const serverStartSchema = z.union([
  z.object({
    ready: z.literal(true),
    /** Page with its one-time token, such as `http://127.0.0.1:7860/?token=…`. */
    url: z.url(),
  }),
  z.object({ ready: z.literal(false).optional(), error: faultSchema }),
]);
export type ServerStart = z.infer<typeof serverStartSchema>;

/** Shell to server. Each question is answered by a message with the same `requestId`. */
export const messageToServerSchema = z.discriminatedUnion("kind", [
  /** The user chose this path: the page may use the answered handle wherever the contract takes one. */
  z.object({ kind: z.literal("register-path"), requestId: z.int(), path: z.string(), access: z.enum(["read", "write"]) }),
  /** How much runs? */
  z.object({ kind: z.literal("busy"), requestId: z.int() }),
  /** A page address with a new one-time token, for a window whose session is gone. */
  z.object({ kind: z.literal("new-token"), requestId: z.int() }),
  /** End everything cleanly; the process exits by itself. */
  z.object({ kind: z.literal("shutdown") }),
]);
export type MessageToServer = z.infer<typeof messageToServerSchema>;

/** Server to shell. */
export const messageToShellSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("path-registered"), requestId: z.int(), handle: z.string() }),
  z.object({ kind: z.literal("busy"), requestId: z.int(), runningJobs: z.int().min(0) }),
  z.object({ kind: z.literal("new-token"), requestId: z.int(), url: z.url() }),
  /** The question could not be answered. */
  z.object({ kind: z.literal("refused"), requestId: z.int(), fault: faultSchema }),
]);
export type MessageToShell = z.infer<typeof messageToShellSchema>;
