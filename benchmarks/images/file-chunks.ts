import { fileHeader, padding } from "../../test/support/ext4/streamed-layout.ts";
import { textBytes } from "./words.ts";

export interface FilesOfLayer {
  readonly files: number;
  readonly bodyBytes: number;
  /** The first is `first`; layers whose files have other numbers add to each other. */
  readonly first?: number;
  /** Default 64; directories have 64 sub-directories. */
  readonly filesPerDirectory?: number;
  readonly body?: (seed: number, bytes: number) => Uint8Array;
}

const CHUNK_BYTES = 1 << 18;

/** The archive of a layer, without its end, a chunk at a time: no number of files needs memory. */
export function* fileChunks(layer: FilesOfLayer): Generator<Uint8Array, void, undefined> {
  const { files, bodyBytes, first = 0, body = textBytes } = layer;
  let parts: Uint8Array[] = [];
  let length = 0;
  for (let number = first; number < first + files; number++) {
    const name = fileName(number, layer.filesPerDirectory);
    const contents = bodyBytes === 0 ? new Uint8Array(0) : body(number, bodyBytes);
    for (const part of [fileHeader(name, bodyBytes), contents, padding(bodyBytes)]) {
      parts.push(part);
      length += part.length;
    }
    if (length < CHUNK_BYTES) continue;
    yield Buffer.concat(parts);
    parts = [];
    length = 0;
  }
  if (length > 0) yield Buffer.concat(parts);
}

/** Its directories come into being by its name. */
export function fileName(number: number, filesPerDirectory = 64): string {
  const directory = Math.floor(number / filesPerDirectory);
  const path = [directory >> 12, (directory >> 6) & 63, directory & 63].join("/");
  return `tree/${path}/file-${number}.txt`;
}
