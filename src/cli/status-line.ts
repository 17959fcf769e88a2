import { printable } from "../index.ts";

/** Longer than any sentence of ours; what a hostile registry says is cut there. */
const MESSAGE_LENGTH = 2000;

/** `⚙️  message`, as users of `tl` know it. */
export function statusLine(message: string, unicode: boolean): string {
  return `${unicode ? "⚙️" : "*"}  ${printable(message, MESSAGE_LENGTH)}`;
}

export function warningLine(message: string, unicode: boolean): string {
  return `${unicode ? "⚠️" : "!"}  ${printable(message, MESSAGE_LENGTH)}`;
}
