import { printable } from "../errors.ts";
import type { ImportEvent } from "../progress.ts";

/** `verbose: true`: events that carry a sentence go to stderr as `[type] message`, as the Tensorlake SDK prints them. */
export function printEvent(event: ImportEvent): void {
  const line = eventLine(event);
  if (line !== undefined) process.stderr.write(`${line}\n`);
}

/** @returns `undefined` for events that are figures only */
function eventLine(event: ImportEvent): string | undefined {
  switch (event.type) {
    case "status":
    case "warning":
      return `[${event.type}] ${printable(event.message, 2000)}`;
    case "retry":
      return `[retry] ${printable(`${event.what}: ${event.why}`, 2000)}`;
    case "request":
      return `[request] ${event.method} ${event.url} ${event.status ?? event.failure ?? ""}`;
    case "resolved":
      return `[resolved] ${event.reference} is ${event.manifestDigest} (${event.platform})`;
    case "image_registered":
      return `[image_registered] ${printable(event.name)} (${event.image_id})`;
    case "done":
      return "[done]";
    case "phase":
    case "timings":
    case "layer_progress":
    default:
      return undefined;
  }
}
