import { printable } from "../index.ts";

/** A chunk's text with its escapes: longer than any chunk. */
const ALL = Number.MAX_SAFE_INTEGER;

/**
 * Bytes of a file as a terminal may see them: line ends and tabs as they are, other control characters and what is not
 * UTF-8 escaped. A file of an image is hostile: its escape sequences would be obeyed.
 */
export async function* terminalText(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const decoder = new TextDecoder();
  for await (const chunk of chunks) yield shown(decoder.decode(chunk, { stream: true }));
  yield shown(decoder.decode());
}

function shown(text: string): Buffer {
  const safe = text
    .split(/([\n\t])/)
    .map((part) => (part === "\n" || part === "\t" ? part : printable(part, ALL)))
    .join("");
  return Buffer.from(safe);
}
