import { ORPCError } from "@orpc/client";
import { ValidationError } from "@orpc/contract";
import { type Fault } from "../../contract/fault.schema.ts";
import { faultOf, isAbortError } from "../common/fault-error.ts";
import { type Logger } from "../common/logger.ts";

/** The contract's one typed error. Its status is the one that the library takes for errors of a contract: with another it would not count as typed. */
export function faultError(fault: Fault): ORPCError<"FAULT", Fault> {
  return new ORPCError("FAULT", { message: fault.what, data: fault });
}

/** The same as a ready answer, for calls that are not even looked at. */
export function refusalOf(fault: Fault): { readonly status: number; readonly headers: Record<string, string>; readonly body: unknown } {
  const error = faultError(fault);
  return { status: error.status, headers: {}, body: { json: { ...error.toJSON(), defined: true } } };
}

interface Call {
  readonly path: readonly string[];
  readonly next: () => Promise<unknown>;
}

/** Turns every error of a call, and of a stream that it returned, into a fault; what nobody expected is logged. */
export function withFaults(logger: Logger): (call: Call) => Promise<unknown> {
  const toFault = (path: readonly string[], error: unknown): unknown => {
    if (isAbortError(error)) return error;
    if (error instanceof ORPCError) return error.cause instanceof ValidationError ? faultError(badInput(error.code === "BAD_REQUEST", error.cause)) : error;
    const fault = faultOf(error);
    if (fault.code === "INTERNAL_ERROR") logger.error("a call failed", { call: path.join("."), error });
    return faultError(fault);
  };
  return async ({ path, next }) => {
    try {
      const result = await next();
      return isAsyncGenerator(result) ? mapErrors(result, (error) => toFault(path, error)) : result;
    } catch (error) {
      const fault = toFault(path, error);
      if (error instanceof ORPCError && error.code === "INTERNAL_SERVER_ERROR") logger.error("a call's answer does not fit the contract", { call: path.join("."), error });
      throw fault;
    }
  };
}

async function* mapErrors(events: AsyncGenerator, map: (error: unknown) => unknown): AsyncGenerator {
  try {
    yield* events;
  } catch (error) {
    throw map(error);
  }
}

function isAsyncGenerator(value: unknown): value is AsyncGenerator {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}

/** Only the place of the first mistake is told: messages of the schema library may repeat what was sent. */
function badInput(ofCaller: boolean, error: ValidationError): Fault {
  if (!ofCaller) return faultOf(error);
  const path = (error.issues[0]?.path ?? []).map((part) => String(typeof part === "object" ? part.key : part));
  const field = path.map((part, index) => (/^\d+$/.test(part) ? `[${part}]` : index === 0 ? part : `.${part}`)).join("").slice(0, 200);
  return { code: "BAD_INPUT", what: "The studio could not use what it was sent.", why: field === "" ? "It does not have the expected form." : `"${field}" does not have the expected form.`, hint: "Reload the page. If it happens again, copy the diagnostics.", field: field === "" ? null : field };
}
