import { createHash, type Hash } from "node:crypto";
import { closeSync, lstatSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { writeCaseLayout } from "../case-kit/case-layout.ts";
import type { ImageKind } from "../image-kinds.ts";
import { mustRun } from "../run-program.ts";
import { importLayout } from "./import-image-file.ts";
import { fileHeader, padding, writeStreamedLayout } from "./streamed-layout.ts";

/** Something at the edge of what an image may hold. */
export interface Extreme {
  readonly name: string;
  /** @returns what is not as it must be */
  readonly check: (work: string, kind: ImageKind) => Promise<readonly string[]>;
}

const MIB = 2 ** 20;
const GIB = 2 ** 30;

export const EXTREMES: readonly Extreme[] = [
  {
    name: "a directory of 100,000 names",
    check: (work, kind) => checkWideDirectory(work, kind, 100_000),
  },
  {
    name: "1,000,000 empty files",
    check: (work, kind) => checkEmptyFiles(work, kind, { directories: 1000, files: 1000 }),
  },
  {
    name: "one file of 20 GiB of holes and data",
    check: (work, kind) => checkSparseFile(work, kind, 20),
  },
  {
    name: "files placed in hundreds of pieces, two layers side by side",
    check: (work, kind) => checkInterleavedFiles(work, kind, { sizeMib: 900, leastPieces: 200 }),
  },
];

/** Every name is listed, and found by the kernel, which does not go through all names. */
export async function checkWideDirectory(
  work: string,
  kind: ImageKind,
  count: number,
): Promise<readonly string[]> {
  const names = Array.from({ length: count }, (_, n) => `${n}-${"wide".repeat(n % 12)}`);
  const chunks = names.map((name) => fileHeader(`wide/${name}`, 0));
  await writeStreamedLayout(join(work, "layout"), [{ compression: "gzip", chunks }]);
  const imagePath = join(work, "image");
  await importLayout(work, imagePath, { format: kind.format });
  const problems = [...(await kind.problems(imagePath))];
  await kind.withMounted(imagePath, (rootPath) => {
    const wide = join(rootPath, "wide");
    const listed = new Set(readdirSync(wide));
    if (listed.size !== count) problems.push(`${listed.size} names of ${count} are listed`);
    const lost = names.filter(
      (name) =>
        !listed.has(name) ||
        lstatSync(join(wide, name), { throwIfNoEntry: false })?.isFile() !== true,
    );
    if (lost.length > 0) problems.push(`${lost.length} names are not found, ${lost[0]} first`);
    if (lstatSync(join(wide, "none"), { throwIfNoEntry: false }) !== undefined) {
      problems.push("a name is found that nobody gave");
    }
  });
  return problems;
}

export async function checkEmptyFiles(
  work: string,
  kind: ImageKind,
  { directories, files }: { readonly directories: number; readonly files: number },
): Promise<readonly string[]> {
  function* chunks(): Generator<Uint8Array> {
    for (let directory = 0; directory < directories; directory++) {
      const headers = Array.from({ length: files }, (_, file) =>
        fileHeader(`d${directory}/f${file}`, 0),
      );
      yield Buffer.concat(headers);
    }
  }
  await writeStreamedLayout(join(work, "layout"), [{ compression: "gzip", chunks: chunks() }]);
  const imagePath = join(work, "image");
  await importLayout(work, imagePath, { format: kind.format });
  const problems = [...(await kind.problems(imagePath))];
  const sound = await kind.withMounted(imagePath, (rootPath) => {
    let count = 0;
    for (let directory = 0; directory < directories; directory++) {
      const path = join(rootPath, `d${directory}`);
      for (const name of readdirSync(path)) {
        const { mode, size, nlink, blocks } = lstatSync(join(path, name));
        const empty = mode === 0o100644 && size === 0 && nlink === 1 && blocks === 0;
        if (/^f\d+$/.test(name) && empty) count += 1;
      }
    }
    return count;
  });
  if (sound !== directories * files) {
    problems.push(`${sound} of ${directories * files} files are empty files`);
  }
  return problems;
}

/** A mebibyte of data at each gibibyte, at the very start and at the very end. */
export async function checkSparseFile(
  work: string,
  kind: ImageKind,
  sizeGib: number,
): Promise<readonly string[]> {
  const starts = [...Array.from({ length: sizeGib }, (_, n) => n * GIB), sizeGib * GIB - MIB];
  const map = `${[starts.length, ...starts.flatMap((start) => [start, MIB])].join("\n")}\n`;
  const header = map + "\0".repeat((512 - (map.length % 512)) % 512);
  const data = starts.map((_, n) => ({ fill: `data ${n}`.padEnd(16, "."), count: MIB / 16 }));
  const entry = {
    type: "file",
    path: "GNUSparseFile.0/sparse",
    pax: {
      "GNU.sparse.major": "1",
      "GNU.sparse.minor": "0",
      "GNU.sparse.name": "sparse",
      "GNU.sparse.realsize": String(sizeGib * GIB),
    },
    content: { join: [header, ...data] },
  };
  const fields = { layers: [{ entries: [entry] }] };
  const layout = join(work, "layout");
  writeCaseLayout({ name: "sparse", file: "", fields }, layout, { canaryPath: work });
  const imagePath = join(work, "image");
  await importLayout(work, imagePath, { format: kind.format });
  const problems = [...(await kind.problems(imagePath))];
  await kind.withMounted(imagePath, (rootPath) => {
    const { size, blocks } = statSync(join(rootPath, "sparse"));
    if (size !== sizeGib * GIB) problems.push(`the file has ${size} bytes`);
    // EROFS counts holes as well; the image has none.
    const used = kind.format === "ext4" ? blocks * 512 : statSync(imagePath).size;
    if (used < starts.length * MIB || used > starts.length * MIB + 64 * 4096) {
      problems.push(`the file takes ${used} bytes of the disk`);
    }
    const fd = openSync(join(rootPath, "sparse"), "r");
    try {
      for (const [n, start] of starts.entries()) {
        const wanted = Buffer.alloc(MIB, `data ${n}`.padEnd(16, "."));
        if (!readAt(fd, start, MIB).equals(wanted)) problems.push(`other data at ${start}`);
        const before = readAt(fd, Math.max(start - MIB, 0), Math.min(start, MIB));
        if (before.some((byte) => byte !== 0)) problems.push(`data in the hole before ${start}`);
      }
    } finally {
      closeSync(fd);
    }
  });
  return problems;
}

/** Large enough for two such layers to be dealt their runs side by side: six times what they have. */
const DEALT_DISK_MB = 32_768;

/** One large file in each of two layers: their runs are dealt side by side, so both end up in many extents. */
export async function checkInterleavedFiles(
  work: string,
  kind: ImageKind,
  { sizeMib, leastPieces }: { readonly sizeMib: number; readonly leastPieces: number },
): Promise<readonly string[]> {
  const hashes = [createHash("sha256"), createHash("sha256")];
  const layers = hashes.map((hash, layer) => ({
    compression: "none" as const,
    chunks: largeFile(`large-${layer}`, sizeMib, hash),
  }));
  await writeStreamedLayout(join(work, "layout"), layers);
  const imagePath = join(work, "image");
  await importLayout(work, imagePath, { format: kind.format, diskMb: DEALT_DISK_MB });
  const problems = [...(await kind.problems(imagePath))];
  const digests = hashes.map((hash) => hash.digest("hex"));
  await kind.withMounted(imagePath, async (rootPath) => {
    for (const [layer, digest] of digests.entries()) {
      const path = join(rootPath, `large-${layer}`);
      const sum = await mustRun("sha256sum", [path]);
      if (!sum.startsWith(digest)) problems.push(`large-${layer} has other contents`);
      const pieces = Number(/: (\d+) extents? found/.exec(await mustRun("filefrag", [path]))?.[1]);
      if (!(pieces >= leastPieces)) problems.push(`large-${layer} lies in ${pieces} pieces`);
    }
  });
  return problems;
}

function* largeFile(name: string, sizeMib: number, hash: Hash): Generator<Uint8Array> {
  yield fileHeader(name, sizeMib * MIB);
  const chunk = Buffer.alloc(MIB, `${name} `);
  for (let n = 0; n < sizeMib; n++) {
    chunk.writeUInt32LE(n, 0);
    hash.update(chunk);
    // A copy: what was yielded is written later.
    yield Buffer.from(chunk);
  }
  yield padding(sizeMib * MIB);
}

function readAt(fd: number, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length;) {
    const read = readSync(fd, bytes, at, length - at, position + at);
    if (read === 0) break;
    at += read;
  }
  return bytes;
}
