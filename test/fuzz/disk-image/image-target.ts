import { closeSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { ImportError } from "../../../src/errors.ts";
import { demand, type OpenTarget } from "../fuzz-target.ts";
import { scratchFolder } from "../scratch-folder.ts";
import type { ImageKind, ImageMap, Range, Structure } from "./image-kind.ts";
import { decodeMutation, encodeMutation, mutateWrites, type ImageWrite } from "./image-writes.ts";

const NEVER = new AbortController().signal;

interface Image {
  readonly path: string;
  readonly fd: number;
  /** As it was made. */
  readonly pristine: Buffer;
  /** As it stands on the disk during an execution. */
  readonly bytes: Buffer;
  readonly map: ImageMap;
}

/** Images whose metadata says something else: verified, listed and read. */
export async function openImageTarget(kind: ImageKind): Promise<OpenTarget> {
  const folder = scratchFolder(kind.name);
  const paths = await kind.makeImages(folder);
  const images = await Promise.all(paths.map((path) => openImage(kind, path)));
  return {
    seeds: images.flatMap((_, image) => [
      encodeMutation({ image, fixed: true, writes: [] }),
      encodeMutation({ image, fixed: false, writes: [] }),
    ]),
    mutate: (input, random) => {
      const mutation = decodeMutation(input);
      return encodeMutation(mutateWrites(mutation, random, imageOf(images, mutation.image)));
    },
    run: (input) => runImage(kind, imageOf(images, decodeMutation(input).image), input),
    close: () => {
      for (const { fd } of images) closeSync(fd);
      rmSync(folder, { recursive: true });
    },
  };
}

async function openImage(kind: ImageKind, path: string): Promise<Image> {
  const pristine = readFileSync(path);
  const map = await kind.mapImage(path);
  return { path, fd: openSync(path, "r+"), pristine, bytes: Buffer.from(pristine), map };
}

function imageOf(images: readonly Image[], index: number): Image {
  const image = images[index % images.length];
  if (image === undefined) throw new RangeError("no image");
  return image;
}

async function runImage(kind: ImageKind, image: Image, input: Uint8Array): Promise<void> {
  const { fixed, writes } = decodeMutation(input);
  const changed = apply(image, writes, fixed);
  for (const { start, length } of changed) writeSync(image.fd, image.bytes, start, length, start);
  try {
    await readHostile(kind, image.path);
  } finally {
    for (const { start, length } of changed) {
      image.pristine.copy(image.bytes, start, start, start + length);
      writeSync(image.fd, image.pristine, start, length, start);
    }
  }
}

/** Changes `bytes`. @returns where */
function apply(image: Image, writes: readonly ImageWrite[], fixed: boolean): readonly Range[] {
  const { bytes, map } = image;
  const written = writes.flatMap(({ position, bytes: value }): Range[] => {
    const length = Math.min(value.length, bytes.length - position);
    if (length <= 0) return [];
    value.copy(bytes, position, 0, length);
    return [{ start: position, length }];
  });
  if (!fixed) return written;
  const touched = map.structures.filter((structure) =>
    written.some((range) => meet(structure, range)),
  );
  return [...written, ...map.fixChecksums(bytes, touched)];
}

function meet(structure: Structure, { start, length }: Range): boolean {
  return start < structure.start + structure.length && structure.start < start + length;
}

/** What verify calls sound can be read to the end; all of it ends with a result or a refusal, whatever the image. */
async function readHostile(kind: ImageKind, path: string): Promise<void> {
  const report = await attempt(() => kind.verify(path, NEVER));
  const reading = await attempt(() => kind.readImage(path, NEVER));
  const exporting = await attempt(async () => (await kind.openTree(path, NEVER)).close());
  for (const refusal of [reading, exporting]) {
    if (!(refusal instanceof ImportError) || report instanceof ImportError) continue;
    const isDamage = refusal.code === "ERR_SNAPSHOT_DAMAGED";
    demand(!isDamage || report.damageCount > 0, `a sound image can be read: ${refusal.message}`);
  }
  for (const outcome of [report, reading, exporting]) {
    if (outcome instanceof ImportError) throw outcome;
  }
}

async function attempt<T>(work: () => Promise<T>): Promise<T | ImportError> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ImportError) return error;
    throw error;
  }
}
