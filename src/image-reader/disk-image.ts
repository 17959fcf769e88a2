/** What every inode shows, whatever file system it is of. */
export interface ImageInode {
  readonly number: number;
  /** With the type's bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly links: number;
}

/** Neighbouring bytes of a file that are neighbours in the image, or a hole: at `undefined`, they read as zeros. */
export interface ContentRun {
  readonly offset: number;
  readonly bytes: number;
  readonly at: number | undefined;
}

/**
 * A file system in an image, open for reading: `I` is what its inodes are to its reader. Inodes are read where they are
 * asked for; everything that an image says is checked then.
 * @throws ImportError each of these: ERR_SNAPSHOT_DAMAGED, ERR_STORE_IO
 */
export interface DiskImage<I extends ImageInode> {
  readonly path: string;
  readonly rootNumber: number;
  readonly inode: (number: number) => I;
  /** Without `.` and `..`. Names may be anything but empty; each its own copy. */
  readonly entries: (directory: I) => Iterable<{ readonly name: Buffer; readonly inode: number }>;
  /** Seconds since 1970, and nanoseconds from there on. */
  readonly mtime: (inode: I) => { readonly seconds: number; readonly nanoseconds: number };
  /** Of a device. */
  readonly device: (inode: I) => { readonly major: number; readonly minor: number };
  /** Of a symlink. */
  readonly target: (link: I) => Buffer;
  /** By their full names (bytes as latin1); ACLs in the kernel's form. */
  readonly xattrs: (inode: I) => ReadonlyMap<string, Buffer>;
  /** Of a regular file, in order; between them are holes, and behind the last. */
  readonly runs: (file: I) => Iterable<ContentRun>;
  /** Whether something in the root is not of what was put into the image, but of the file system. */
  readonly isOwn: (name: Buffer, inode: I) => boolean;
  /** Fills the target. */
  readonly readSync: (target: Uint8Array, position: number) => void;
  /** Fills the target without blocking. */
  readonly read: (target: Uint8Array, position: number) => Promise<void>;
  readonly close: () => Promise<void>;
}

const CHUNK_BYTES = 256 * 1024;

/** The bytes of a regular file, in chunks of at most 256 KiB that belong to whoever takes them. Holes come as zeros. */
export async function* imageFileContents<I extends ImageInode>(
  image: DiskImage<I>,
  file: I,
): AsyncGenerator<Uint8Array, void, undefined> {
  let position = 0;
  for (const { offset, bytes, at } of image.runs(file)) {
    yield* zeros(offset - position);
    position = offset + bytes;
    if (at === undefined) {
      yield* zeros(bytes);
      continue;
    }
    for (let done = 0; done < bytes; done += CHUNK_BYTES) {
      const chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, bytes - done));
      await image.read(chunk, at + done);
      yield chunk;
    }
  }
  yield* zeros(file.sizeBytes - position);
}

function* zeros(count: number): Generator<Uint8Array, void, undefined> {
  for (let left = count; left > 0; left -= CHUNK_BYTES) {
    yield new Uint8Array(Math.min(CHUNK_BYTES, left));
  }
}
