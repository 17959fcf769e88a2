import { closeSync, openSync, readSync, writeSync } from "node:fs";

/** Writes bytes into a file; the result puts back what was there. */
export function overwrite(path: string, position: number, bytes: Uint8Array): () => void {
  const before = Buffer.alloc(bytes.length);
  const write = (what: Uint8Array): void => {
    const fd = openSync(path, "r+");
    try {
      if (what === bytes) readSync(fd, before, 0, before.length, position);
      writeSync(fd, what, 0, what.length, position);
    } finally {
      closeSync(fd);
    }
  };
  write(bytes);
  return () => write(before);
}

/** Changes every bit of a byte; the result puts it back. */
export function flipByte(path: string, position: number): () => void {
  return overwrite(
    path,
    position,
    bytesAt(path, position, 1).map((byte) => byte ^ 0xff),
  );
}

export function bytesAt(path: string, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  const fd = openSync(path, "r");
  try {
    readSync(fd, bytes, 0, length, position);
  } finally {
    closeSync(fd);
  }
  return bytes;
}
