import { inspect } from "node:util";
import { ImportError, printable, serializeError } from "../index.ts";
import { logLine } from "./json-log.ts";
import { jsonText } from "./json-text.ts";
import { UsageError } from "./usage-error.ts";

const LINE_LENGTH = 4000;
const MAX_CAUSES = 8;

export interface ErrorTextOptions {
  /** One JSON object, as a line of `--log-format json`, in place of everything else. */
  readonly jsonLog?: boolean;
  readonly debug: boolean;
  /** One JSON object more, as the last line. */
  readonly json: boolean;
}

/**
 * What a failure looks like on stderr, lines without line ends: message and code, causes that tell more, the hint. Only
 * an error that is no `ImportError` and no `UsageError`, so a bug, always shows its stack.
 */
export function errorLines(error: unknown, options: ErrorTextOptions): readonly string[] {
  if (options.jsonLog === true) return [errorLog(error, options)];
  const lines = [
    `Error: ${messageOf(error)}${error instanceof ImportError ? ` [${error.code}]` : ""}`,
  ];
  lines.push(...causeMessages(error).map((text) => `  Caused by: ${text}`));
  if (error instanceof UsageError) {
    lines.push(`  Run '${error.commandLine} --help' to see what it takes.`);
  } else if (error instanceof ImportError) {
    if (error.hint !== undefined) lines.push(`  ${printable(error.hint, LINE_LENGTH)}`);
  } else {
    lines.push("  This is a bug in rootlift. Please report it with the lines below.");
  }
  if (options.debug) lines.push("", "Debug info:", ...debugLines(error));
  else if (!(error instanceof ImportError || error instanceof UsageError)) {
    lines.push(...debugLines(error));
  }
  if (options.json) lines.push(errorJson(error));
  return lines;
}

/** `error` is what `--json` prints, so that this line can stand for that one too. */
function errorLog(error: unknown, options: ErrorTextOptions): string {
  const isOurs = error instanceof ImportError || error instanceof UsageError;
  const causes = causeMessages(error);
  const fields = {
    error: errorFields(error),
    ...(causes.length === 0 ? {} : { causes }),
    ...(options.debug || !isOurs ? { debug: debugLines(error) } : {}),
  };
  return logLine({ level: "error", event: "error", message: messageOf(error), fields });
}

function errorJson(error: unknown): string {
  return jsonText({ error: errorFields(error) }, 0);
}

function errorFields(error: unknown): object {
  if (error instanceof ImportError) return serializeError(error);
  const code = error instanceof UsageError ? "usage" : "internal";
  return { code, message: messageOf(error), details: {} };
}

/** Causes, outermost first, without those whose text a line above holds already. */
function causeMessages(error: unknown): readonly string[] {
  const texts: string[] = [];
  let above = messageOf(error);
  let cause = error instanceof Error ? error.cause : undefined;
  for (let depth = 0; cause !== undefined && cause !== null && depth < MAX_CAUSES; depth++) {
    const text = messageOf(cause);
    if (text !== "" && !above.includes(text)) texts.push(text);
    above += `\n${text}`;
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return texts;
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return printable(String(error), LINE_LENGTH);
  if (error.message !== "") return printable(error.message, LINE_LENGTH);
  // Node's failed connections: an AggregateError without a text, one error an address.
  const parts: readonly unknown[] = error instanceof AggregateError ? error.errors : [];
  return parts.length === 0 ? error.name : parts.slice(0, 4).map(messageOf).join("; ");
}

function debugLines(error: unknown): readonly string[] {
  return inspect(error, { depth: 6, colors: false, maxStringLength: LINE_LENGTH })
    .split("\n")
    .map((line) => printable(line, LINE_LENGTH));
}
