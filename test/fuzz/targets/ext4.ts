import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { mapImage, type ImageMap, type Structure } from "../ext4/image-map.ts";
import { fixChecksums } from "../ext4/fix-checksums.ts";
import {
  decodeMutation,
  encodeMutation,
  mutateWrites,
  type ImageWrite,
} from "../ext4/image-writes.ts";
import { makeImages } from "../ext4/make-images.ts";
import { readWholeImage } from "../ext4/read-whole-image.ts";
import { verifyVolume } from "../../../src/ext4-reader/verify/verify-volume.ts";
import { ImportError } from "../../../src/errors.ts";
import { demand, type FuzzTarget, type OpenTarget } from "../fuzz-target.ts";

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

/** Disk images whose metadata says something else: verified, listed and read. */
export const ext4Target: FuzzTarget = {
  name: "ext4",
  weight: 6,
  open: openExt4,
};

async function openExt4(): Promise<OpenTarget> {
  const memory = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  const folder = mkdtempSync(join(memory, "rootlift-fuzz-ext4-"));
  const paths = await makeImages(folder);
  const images = await Promise.all(paths.map(openImage));
  return {
    seeds: images.flatMap((_, image) => [
      encodeMutation({ image, fixed: true, writes: [] }),
      encodeMutation({ image, fixed: false, writes: [] }),
    ]),
    mutate: (input, random) => {
      const mutation = decodeMutation(input);
      return encodeMutation(mutateWrites(mutation, random, imageOf(images, mutation.image)));
    },
    run: (input) => runImage(imageOf(images, decodeMutation(input).image), input),
    close: () => {
      for (const { fd } of images) closeSync(fd);
      rmSync(folder, { recursive: true });
    },
  };
}

async function openImage(path: string): Promise<Image> {
  const pristine = readFileSync(path);
  const map = await mapImage(path);
  return { path, fd: openSync(path, "r+"), pristine, bytes: Buffer.from(pristine), map };
}

function imageOf(images: readonly Image[], index: number): Image {
  const image = images[index % images.length];
  if (image === undefined) throw new RangeError("no image");
  return image;
}

async function runImage(image: Image, input: Uint8Array): Promise<void> {
  const { fixed, writes } = decodeMutation(input);
  const changed = apply(image, writes, fixed);
  for (const { start, length } of changed) writeSync(image.fd, image.bytes, start, length, start);
  try {
    await readHostile(image.path);
  } finally {
    for (const { start, length } of changed) {
      image.pristine.copy(image.bytes, start, start, start + length);
      writeSync(image.fd, image.pristine, start, length, start);
    }
  }
}

interface Range {
  readonly start: number;
  readonly length: number;
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
  return [...written, ...fixChecksums({ bytes, map }, touched)];
}

function meet(structure: Structure, { start, length }: Range): boolean {
  return start < structure.start + structure.length && structure.start < start + length;
}

/** What verify calls sound can be read to the end; both end with a result or a refusal, whatever the image. */
async function readHostile(path: string): Promise<void> {
  const report = await attempt(() => verifyVolume(path, { signal: NEVER }));
  const reading = await attempt(() => readWholeImage(path, NEVER));
  if (reading instanceof ImportError && !(report instanceof ImportError)) {
    const isDamage = reading.code === "ERR_SNAPSHOT_DAMAGED";
    demand(!isDamage || report.damageCount > 0, `a sound image can be read: ${reading.message}`);
  }
  if (report instanceof ImportError) throw report;
  if (reading instanceof ImportError) throw reading;
}

async function attempt<T>(work: () => Promise<T>): Promise<T | ImportError> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ImportError) return error;
    throw error;
  }
}
