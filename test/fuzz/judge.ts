import { ImportError, printable } from "../../src/errors.ts";
import { WrongResult, type OpenTarget } from "./fuzz-target.ts";

/** The longest message that still is one line for a person. */
const LONGEST_MESSAGE = 2000;

/** A failure that shows the same code at fault, whatever the numbers in it. */
export interface Failure {
  readonly message: string;
  readonly stack: string;
  /** Equal for failures that are one finding. */
  readonly signature: string;
}

/** @returns what is wrong with this execution, or the code of its refusal, or `ok` */
export async function judge(target: OpenTarget, input: Uint8Array): Promise<Failure | string> {
  try {
    const running = target.run(input);
    if (running instanceof Promise) await running;
    return "ok";
  } catch (error) {
    if (!(error instanceof ImportError)) return failureOf(error);
    const problem = wrongRefusal(error);
    return problem === undefined
      ? error.code
      : failureOf(new WrongResult(problem, { cause: error }));
  }
}

export function failureOf(error: unknown): Failure {
  const thrown = error instanceof Error ? error : new Error(`thrown: ${String(error)}`);
  const stack = stackOf(thrown);
  const frame = /^\s*at .*(?:src|test\/fuzz\/targets)\/.*$/m.exec(stack)?.[0] ?? "";
  return {
    message: `${thrown.name}: ${printable(thrown.message, 1000)}`,
    stack,
    signature: `${thrown.name} ${thrown.message.replaceAll(/\d+/g, "#").slice(0, 60)} ${frame.trim()}`,
  };
}

function stackOf(error: Error): string {
  const own = error.stack ?? error.message;
  return error.cause instanceof Error ? `${own}\ncaused by ${stackOf(error.cause)}` : own;
}

/** A refusal must be fit for a terminal, a log and `--json`, however hostile what it tells about. */
function wrongRefusal({ message, hint = "", details }: ImportError): string | undefined {
  for (const text of [message, hint]) {
    if (text.length > LONGEST_MESSAGE) return `a refusal of ${text.length} characters`;
    if (printable(text, Infinity) !== text) return "a refusal with raw characters";
  }
  return JSON.stringify(details).length > 4 * LONGEST_MESSAGE ? "large details" : undefined;
}
