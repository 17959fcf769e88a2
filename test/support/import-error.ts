import type { ErrorCode } from "../../src/errors.ts";
import { ImportError } from "../../src/errors.ts";

/** The `ImportError` that a call raises; anything else, or nothing, fails the test. */
export function importErrorOf(run: () => unknown): ImportError {
  try {
    run();
  } catch (error) {
    if (error instanceof ImportError) return error;
    throw error;
  }
  throw new Error("expected an ImportError, got none");
}

export async function importErrorFrom(running: Promise<unknown>): Promise<ImportError> {
  const outcome = await running.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (outcome instanceof ImportError) return outcome;
  throw new Error("expected an ImportError", { cause: outcome });
}

/** For properties: `ok`, or the code of the `ImportError`; everything else is a bug and escapes. */
export function outcomeOf(run: () => unknown): ErrorCode | "ok" {
  try {
    run();
    return "ok";
  } catch (error) {
    if (error instanceof ImportError) return error.code;
    throw error;
  }
}

/** What a promise settles to, or the code of the `ImportError`; everything else is a bug and escapes. */
export async function outcomeFrom<Value>(running: Promise<Value>): Promise<Value | ErrorCode> {
  try {
    return await running;
  } catch (error) {
    if (error instanceof ImportError) return error.code;
    throw error;
  }
}
