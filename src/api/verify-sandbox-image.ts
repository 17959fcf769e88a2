import { ImportError, printable } from "../errors.ts";
import { verifyErofs } from "../erofs-reader/verify/verify-erofs.ts";
import { verifyVolume } from "../ext4-reader/verify/verify-volume.ts";
import { verifyBytes } from "../image-reader/verify-bytes.ts";
import type { ImageChecksums } from "../store/image-checksums.ts";
import { readImageChecksums } from "../store/read-image-checksums.ts";
import type { RegisteredImage } from "../store/records.ts";
import { cancellable } from "./cancellable.ts";
import type {
  SandboxImageDamage,
  SandboxImageVerification,
  VerifySandboxImageOptions,
} from "./public-types.ts";
import { requireImage } from "./require-image.ts";
import { withStore } from "./store-settings.ts";
import { storedRootfs } from "./stored-rootfs.ts";

/** Formats that are file systems. */
const STRUCTURES: ReadonlyMap<string, typeof verifyVolume> = new Map([
  ["ext4", verifyVolume],
  ["erofs", verifyErofs],
]);

type Findings = Pick<
  SandboxImageVerification,
  "damage" | "damageCount" | "checkedBytes" | "blocks" | "usedBlocks" | "inodes"
>;

/**
 * Checks that a snapshot is what was imported: all bytes against the checksums that the import recorded, and of a disk
 * image the whole structure of its file system. Damage is in the answer, not thrown.
 *
 * @param nameOrId name or id of an image, or id of its snapshot
 * @throws ImportError ERR_NOT_FOUND, ERR_SNAPSHOT_UNSUPPORTED (a directory: nothing is recorded of it), ERR_STORE_IO,
 *   ERR_LIMIT_EXCEEDED, ERR_CANCELLED
 */
export async function verifySandboxImage(
  nameOrId: string,
  options: VerifySandboxImageOptions = {},
): Promise<SandboxImageVerification> {
  const signal = cancellable(options.signal, "the verification was cancelled");
  const { image, homePath } = await withStore(options, async (store, project) => ({
    image: await requireImage(store, nameOrId, project),
    homePath: store.homePath,
  }));
  return verifySnapshot(image, homePath, signal);
}

/** @throws ImportError as `verifySandboxImage` */
export async function verifySnapshot(
  registered: RegisteredImage,
  homePath: string,
  signal: AbortSignal,
): Promise<SandboxImageVerification> {
  const { name, snapshotId } = registered.image;
  const { format, path } = storedRootfs(registered);
  const recorded = readImageChecksums(homePath, snapshotId);
  if (format === "dir") throw unsupported(name, "nothing is recorded of a directory");
  const findings = await findingsOf({ format, path, recorded, signal });
  return { name, snapshotId, format, path, sound: findings.damageCount === 0, ...findings };
}

async function findingsOf(wanted: {
  readonly format: string;
  readonly path: string;
  readonly recorded: ImageChecksums | "missing" | "damaged";
  readonly signal: AbortSignal;
}): Promise<Findings> {
  const { format, path, recorded, signal } = wanted;
  const known = typeof recorded === "string" ? undefined : recorded;
  const withoutRecord: SandboxImageDamage[] =
    typeof recorded === "string"
      ? [{ what: "data", problem: `the checksums that the import recorded are ${recorded}` }]
      : [];
  const verifyStructure = STRUCTURES.get(format);
  if (verifyStructure !== undefined) {
    const options = known === undefined ? { signal } : { signal, recorded: known };
    return withDamage(await verifyStructure(path, options), withoutRecord);
  }
  if (known !== undefined) return verifyBytes(path, { recorded: known, signal });
  return { damage: withoutRecord, damageCount: withoutRecord.length, checkedBytes: 0 };
}

function withDamage(findings: Findings, more: readonly SandboxImageDamage[]): Findings {
  return {
    ...findings,
    damage: [...findings.damage, ...more],
    damageCount: findings.damageCount + more.length,
  };
}

function unsupported(name: string, why: string): ImportError {
  return new ImportError(
    "ERR_SNAPSHOT_UNSUPPORTED",
    `image "${printable(name)}" has a snapshot of format "dir", which cannot be verified: ${why}`,
    { hint: "Import it as a disk image (--format ext4), which can be." },
  );
}
