import type { ContentPiece, TreeReader } from "../../src/rootfs/tree-reader.ts";
import { buildTree, type TreeEntry } from "./tree-builder.ts";

/** A tree with its contents in memory. @param pieceBytes the length of a piece */
export function memoryReader(
  entries: readonly TreeEntry[],
  pieceBytes: number = 1 << 20,
): TreeReader {
  const bodies: Uint8Array[] = [];
  const tree = buildTree(entries, (content) => bodies.push(content) - 1);
  function* contents(inode: number): Generator<ContentPiece, void, undefined> {
    const content = bodies[tree.bodies[inode] ?? -1];
    if (content === undefined) return;
    for (let at = 0; at < content.length; at += pieceBytes) {
      yield content.subarray(at, at + pieceBytes);
    }
  }
  return { tree, omissions: [], contents, close: async () => undefined };
}

/** All pieces, holes as zeros. */
export function joinPieces(pieces: Iterable<ContentPiece>): Buffer {
  const parts: Buffer[] = [];
  for (const piece of pieces) {
    parts.push(typeof piece === "number" ? Buffer.alloc(piece) : Buffer.from(piece));
  }
  return Buffer.concat(parts);
}
