/**
 * Ceilings against hostile input. Each can be set by an option (`--limit name=value`, `limits: { name: value }`);
 * passing one raises ERR_LIMIT_EXCEEDED, or the code that its comment names. Whatever the code, `details` has the limit, its
 * value and what was met (`limitDetails`), and the layer and the path where there is one.
 */
export interface Limits {
  /** One PAX or GNU long-name header, bytes. It is buffered whole; Go's `maxSpecialFileSize` (CVE-2022-2879). */
  readonly extensionHeaderBytes: number;
  /** Extension headers before one entry: else a layer is endless headers without an entry. */
  readonly extensionHeaders: number;
  /** A path, bytes: Linux PATH_MAX without its NUL. ERR_NAME_TOO_LONG. */
  readonly pathBytes: number;
  /** One component of a path, bytes: Linux NAME_MAX. ERR_NAME_TOO_LONG. */
  readonly componentBytes: number;
  /**
   * Directories in one another, counted where links lead. Nothing here recurses, so it is for those who come after: `rm`,
   * `find` and backups. `pathBytes` allows no more than this by itself: it binds where that was raised.
   */
  readonly depth: number;
  /** A symlink's target, bytes: Linux PATH_MAX without its NUL. ERR_NAME_TOO_LONG. */
  readonly linkTargetBytes: number;
  /** Symlinks followed while one path is resolved: Linux MAXSYMLINKS. ERR_LINK_LOOP. */
  readonly symlinksFollowed: number;
  /**
   * Entries of one image: they cost memory before they cost disk. The largest images seen have one to two million. What
   * waits to be merged, of all layers together, counts as it is decoded.
   */
  readonly entries: number;
  /**
   * Names, link targets and extended attributes of one image, bytes: all are held in memory. A million entries have some
   * 20 MB in the tree. What waits to be merged counts with its whole memory, some 20 MB a million where that is packed
   * (`pool/packed-batch.ts`). Attack: 8 MB of gzip hold a gigabyte of attributes.
   */
  readonly metadataBytes: number;
  /** Extended attributes of one inode. */
  readonly xattrs: number;
  /** The name of an extended attribute, bytes: Linux XATTR_NAME_MAX. */
  readonly xattrNameBytes: number;
  /** The value of an extended attribute, bytes: Linux XATTR_SIZE_MAX. */
  readonly xattrValueBytes: number;
  /** Names and values of all extended attributes of one inode, bytes: Linux XATTR_LIST_MAX. */
  readonly xattrTotalBytes: number;
  /** Uncompressed bytes of one layer; what headers declare counts at once, before anything is written. */
  readonly layerBytes: number;
  /**
   * Uncompressed bytes of all layers of one image. Attack: a thousand layers that each keep the limit of one. A blob that
   * is decoded once and applied at several places counts once.
   */
  readonly imageBytes: number;
  /**
   * Output over input of a decompressor: real layers stay under 20, deflate's own maximum is 1,032. The first GiB is free,
   * of each layer and, of what goes beyond the ratio, of all layers of an image together.
   */
  readonly expansionRatio: number;
  /** One file, bytes, holes included: ext4 with 4 KiB blocks holds 16 TiB. */
  readonly fileBytes: number;
  /** Hard links (names) of one inode: ext4's maximum. */
  readonly hardLinks: number;
  /** Segments in the map of one sparse file: they are held in memory. */
  readonly sparseSegments: number;
  /** A manifest or an index, bytes: what registries accept (distribution). ERR_MANIFEST_INVALID. */
  readonly manifestBytes: number;
  /** An image config, bytes: large label sets exist, containers/image stops at 4 MiB. ERR_MANIFEST_INVALID. */
  readonly configBytes: number;
  /** Layers of one image: docker's overlay driver ends at 125 to 128. */
  readonly layers: number;
  /** The window of a zstd frame, bytes: the zstd command's default for decoding; the decoder allocates it. */
  readonly zstdWindowBytes: number;
}

export const DEFAULT_LIMITS: Limits = {
  extensionHeaderBytes: 1 << 20,
  extensionHeaders: 1024,
  pathBytes: 4095,
  componentBytes: 255,
  depth: 2048,
  linkTargetBytes: 4095,
  symlinksFollowed: 40,
  entries: 10_000_000,
  metadataBytes: 1 << 27,
  xattrs: 128,
  xattrNameBytes: 255,
  xattrValueBytes: 65_536,
  xattrTotalBytes: 65_536,
  layerBytes: 256 * 2 ** 30,
  imageBytes: 512 * 2 ** 30,
  expansionRatio: 256,
  fileBytes: 16 * 2 ** 40,
  hardLinks: 65_000,
  sparseSegments: 1_000_000,
  manifestBytes: 4 << 20,
  configBytes: 8 << 20,
  layers: 1000,
  zstdWindowBytes: 128 << 20,
};

/** The `details` of the error of whatever passed a limit. @param value what was met, or the first number beyond the limit */
export function limitDetails(
  limit: keyof Limits,
  value: number,
  limits: Limits,
): { readonly limit: string; readonly value: number; readonly limitValue: number } {
  return { limit, value, limitValue: limits[limit] };
}

/** The `hint` of the same error. */
export function raiseLimit(limit: keyof Limits): string {
  return `If you trust the image, raise the limit with --limit ${limit}=VALUE.`;
}
