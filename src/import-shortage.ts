import { diskRoom, roughBytes } from "./disk-full.ts";
import { ImportError } from "./errors.ts";
import type { OnEvent } from "./progress.ts";
import { nextName, NONE, ROOT, S_IFDIR, typeOf, type RootfsTree } from "./rootfs/rootfs-tree.ts";
import { DiskMeter } from "./store/disk-usage.ts";
import type { RootfsFormat } from "./store/records.ts";

/** What layers usually unpack to, while nothing of them was seen. */
const USUAL_EXPANSION = 3;
/** Compressed bytes for each entry of ordinary images, while none were seen. */
const USUAL_ENTRY_BYTES = 8192;
/** An inode with its attributes, a name, the maps of files. */
const BYTES_AN_ENTRY = 512;
const DIRECTORY_BYTES = 4096;
/** A header, an extended one, and the rest of the last block of the contents. */
const TAR_BYTES_AN_ENTRY = 1536;
/** The catalog, its journal, records, and what a file system takes for itself: less never helps. */
const LEAST_BYTES = 2 ** 19;
const LEAST_INODES = 16;

interface LayerSoFar {
  readonly receivedBytes: number;
  readonly decodedBytes: number;
  readonly entries: number;
}

/** How far an import has come: from that it is reckoned how much room it would have needed. */
export class ImportSoFar {
  /** Once all layers are merged. */
  tree: RootfsTree | undefined;
  /** Compressed, all layers. */
  #totalBytes = 0;
  readonly #layers = new Map<number, LayerSoFar>();

  /** @returns passes events on */
  follow(emit: OnEvent): OnEvent {
    return (event) => {
      if (event.type === "resolved") this.#totalBytes = event.totalBytes;
      if (event.type === "layer_progress") this.#layers.set(event.layer, event);
      emit(event);
    };
  }

  needs(format: RootfsFormat): ImportNeeds {
    const seen = this.#seen();
    return this.tree === undefined
      ? needsOfPull(format, seen, this.#totalBytes)
      : needsOfSeal(format, seen, this.tree);
  }

  #seen(): LayerSoFar {
    const seen = { receivedBytes: 0, decodedBytes: 0, entries: 0 };
    for (const layer of this.#layers.values()) {
      seen.receivedBytes += layer.receivedBytes;
      seen.decodedBytes += layer.decodedBytes;
      seen.entries += layer.entries;
    }
    return seen;
  }
}

interface ImportNeeds {
  /** What its staging place holds at its fullest. */
  readonly bytes: number;
  /** What is missing at least, wherever it failed. */
  readonly leastBytes: number;
  /** What is still to be made of a directory. */
  readonly inodesToCome: number;
}

function needsOfPull(format: RootfsFormat, seen: LayerSoFar, totalBytes: number): ImportNeeds {
  const { receivedBytes, decodedBytes } = seen;
  const hasSeen = receivedBytes > 0 && decodedBytes > 0;
  const bodies = totalBytes * (hasSeen ? decodedBytes / receivedBytes : USUAL_EXPANSION);
  const entries = Math.ceil(
    hasSeen
      ? seen.entries * Math.max(1, totalBytes / receivedBytes)
      : totalBytes / USUAL_ENTRY_BYTES,
  );
  const metadata = entries * (format === "tar" ? TAR_BYTES_AN_ENTRY : BYTES_AN_ENTRY);
  return {
    bytes: bodies * (format === "tar" ? 2 : 1) + metadata,
    leastBytes: LEAST_BYTES + metadata,
    inodesToCome: Math.max(LEAST_INODES, entries - seen.entries),
  };
}

function needsOfSeal(format: RootfsFormat, seen: LayerSoFar, tree: RootfsTree): ImportNeeds {
  const { directories, bodiless } = countInodes(tree);
  const perEntry = format === "tar" ? TAR_BYTES_AN_ENTRY : BYTES_AN_ENTRY;
  const metadata = tree.entries * perEntry + directories * DIRECTORY_BYTES;
  // Sizes of files count their holes, which no layer has sent.
  const bodies = Math.min(tree.contentBytes, seen.decodedBytes);
  return {
    bytes: bodies * (format === "tar" ? 2 : 1) + metadata,
    leastBytes: LEAST_BYTES + metadata / 4,
    inodesToCome: Math.max(LEAST_INODES, bodiless),
  };
}

/** Directories, and all that gets its inode at the seal only. */
function countInodes(tree: RootfsTree): {
  readonly directories: number;
  readonly bodiless: number;
} {
  let [directories, bodiless] = [0, 0];
  for (let name: number = ROOT; name !== NONE; name = nextName(tree, name)) {
    const inode = tree.inodes[name] ?? NONE;
    if (typeOf(tree, inode) === S_IFDIR) directories += 1;
    if ((tree.bodies[inode] ?? -1) < 0) bodiless += 1;
  }
  return { directories, bodiless };
}

/**
 * An ERR_DISK_FULL that also says about how much is missing; any other error as it is. To be called before the staging place is
 * removed: what lies there is had already.
 */
export async function withShortage(
  error: unknown,
  needs: () => ImportNeeds,
  { format, stagingPath }: { readonly format: RootfsFormat; readonly stagingPath: string },
): Promise<unknown> {
  if (!isUnexplained(error)) return error;
  const { bytes, leastBytes, inodesToCome } = needs();
  if ("freeInodes" in error.details) {
    return moreInodes(error, format === "dir" ? inodesToCome : LEAST_INODES);
  }
  const writtenBytes = await bytesIn(stagingPath);
  // What a quota leaves shows in no statfs.
  const isQuota = error.details["errno"] === "EDQUOT";
  const freeBytes = isQuota ? 0 : (diskRoom(stagingPath)?.freeBytes ?? 0);
  return moreBytes(error, Math.max(bytes - writtenBytes - freeBytes, leastBytes));
}

/** Nothing where nobody can tell: a number that is wrong hides no error. */
async function bytesIn(path: string): Promise<number> {
  try {
    return (await new DiskMeter().measure([path])).diskBytes;
  } catch {
    return 0;
  }
}

/** The same where an import failed before it had a place: what even the smallest takes. */
export function withLeastShortage(error: unknown): unknown {
  if (!isUnexplained(error)) return error;
  if ("freeInodes" in error.details) return moreInodes(error, LEAST_INODES);
  return moreBytes(error, LEAST_BYTES);
}

/** Of a disk, and not of `--builder_disk_mb`; and not explained already. */
function isUnexplained(error: unknown): error is ImportError {
  if (!(error instanceof ImportError) || error.code !== "ERR_DISK_FULL") return false;
  const { details } = error;
  return "path" in details && !("missingBytes" in details || "missingInodes" in details);
}

function moreBytes(error: ImportError, missingBytes: number): ImportError {
  return explained(error, { missingBytes: Math.ceil(missingBytes) }, roughBytes(missingBytes));
}

function moreInodes(error: ImportError, missingInodes: number): ImportError {
  return explained(error, { missingInodes }, `${missingInodes} inodes`);
}

function explained(
  { code, message, details, cause }: ImportError,
  missing: Readonly<Record<string, number>>,
  amount: string,
): ImportError {
  return new ImportError(code, `${message}; about ${amount} more are needed`, {
    details: { ...details, ...missing },
    hint: `Free ${amount} on that file system, or choose another place with --output or ROOTLIFT_HOME.`,
    cause,
  });
}
