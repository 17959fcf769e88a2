import { printable, type ImportEvent } from "../index.ts";
import type { OutputStream } from "./output-stream.ts";
import { asciiJson, jsonText } from "./json-text.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";

export interface LogRecord {
  readonly level: LogLevel;
  /** What kind of line it is: the type of an event, `progress`, `plan`, `signal`, `error`. */
  readonly event: string;
  readonly message: string;
  /** What belongs to that kind; none is called as one of the others. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

const MESSAGE_LENGTH = 4000;

/** One line of `--log-format json`: an object with `time` (RFC 3339, UTC), `level`, `event`, `message`, and fields. */
export function writeLog(stream: OutputStream, record: LogRecord): void {
  stream.write(`${logLine(record, stream.unicode)}\n`);
}

/** @param unicode else in ASCII alone */
export function logLine({ level, event, message, fields }: LogRecord, unicode = true): string {
  const time = new Date().toISOString();
  const text = jsonText(
    { ...fields, time, level, event, message: printable(message, MESSAGE_LENGTH) },
    0,
  );
  return unicode ? text : asciiJson(text);
}

/** Warnings and what was asked for are never left out; requests and steps of layers are for `--verbose`. */
export function levelOf(event: ImportEvent): LogLevel {
  if (event.type === "warning") return "warn";
  if (event.type === "request") return "debug";
  if (event.type === "layer_progress") return event.state === "verified" ? "info" : "debug";
  return "info";
}

/** All of an event but what the line says elsewhere. */
export function fieldsOf(event: ImportEvent): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(event).filter(([name]) => name !== "type" && name !== "message"),
  );
}
