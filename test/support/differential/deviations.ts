import type { Outcome, Peer } from "./compare-peers.ts";
import type { Traits } from "./random-archive.ts";

/** What a peer does otherwise, and in which layer cases; `agrees` where the row is of other peers' making. */
type Listed = Partial<Record<`${Peer} ${Outcome["kind"]}`, string>>;

/**
 * Where the peers disagree with us, by the rows of the two tables of ARCHITECTURE.md, which give the reasons. A layer case
 * that is in no row is one that all peers that can read it agree on.
 */
const ROWS: Readonly<Record<string, Listed>> = {
  "an entry below a lower layer's symlink (`lib → usr/lib`)": {
    "umoci agrees": "usrmerge-relative symlink-chain dangling-symlinked-parent",
  },
  "a hard link to a file of a lower layer": { "umoci agrees": "hardlink-to-lower-layer" },
  "a hard link's mode, owner, time": {
    "umoci differs":
      "hardlink-metadata-applies-to-inode hardlink-setuid-on-shared-inode hardlink-brings-xattrs " +
      "xattr-capability-then-mode-by-link setuid-after-owner-in-every-type",
    "tar differs": "hardlink-brings-xattrs setuid-after-owner-in-every-type",
    "bsdtar differs": "hardlink-brings-xattrs setuid-after-owner-in-every-type",
  },
  "a whiteout and a new file of one name in one layer": {
    "umoci agrees": "whiteout-and-new-file-same-layer-after",
  },
  "an opaque marker at the root": { "umoci agrees": "opaque-at-root" },
  "two entries of one name in a layer": {
    "umoci agrees": "duplicate-file",
    "tar agrees": "duplicate-file",
    "bsdtar agrees": "duplicate-file",
  },
  "`..` above the root in a name": {
    "umoci accepts":
      "dotdot-prefix dotdot-sparse-name name-dotdot name-dotdot-deep name-dotdot-middle " +
      "name-dotdot-absolute name-dotdot-directory-entry dotdot-in-pax-path dotdot-in-gnu-long-name " +
      "dotdot-of-symlink dotdot-of-hardlink dotdot-of-fifo dotdot-of-device dotdot-of-directory " +
      "dotdot-of-whiteout dotdot-of-opaque dotdot-of-nested-whiteout dotdot-of-aufs-metadata",
    "bsdtar accepts": "name-dotdot-absolute",
  },
  "a parent that is a file": {
    "umoci agrees": "parent-is-a-file",
    "umoci refuses": "whiteout-file-becomes-dir-child-first",
    "umoci accepts": "whiteout-below-file whiteout-through-link-to-file",
  },
  "uid 2^32, uid −1": {
    "umoci accepts":
      "uid-pax-2-32-1 uid-overflow uid-minus-one-base256 gid-minus-one-pax gid-overflow",
    "tar accepts": "uid-pax-2-32-1",
    "bsdtar accepts":
      "uid-pax-2-32-1 uid-overflow uid-minus-one-base256 gid-minus-one-pax gid-overflow " +
      "owner-2-64-pax",
  },
  "a time before 1970 or far ahead": {
    "umoci differs": "mtime-edges mtime-over-edges mtime-2500 mtime-absurd",
    "bsdtar differs": "mtime-negative-fractions",
  },
  "`trusted.overlay.*`, a 0:0 device": {
    "umoci agrees": "xattr-overlay-redirect device-0-0-is-no-whiteout",
    "umoci differs": "xattr-user-overlay-marks",
    "tar differs": "xattr-overlay-redirect",
    "bsdtar differs": "xattr-overlay-redirect",
  },
  "`user.*` on a symlink, a device, a FIFO": {
    "umoci refuses": "xattr-user-on-symlink xattr-on-every-type",
    "bsdtar refuses": "xattr-user-on-symlink xattr-on-every-type",
  },
  "GNU sparse `S`, type `7`": {
    "umoci refuses": "sparse-old-gnu sparse-old-extended contiguous-file",
    "tar differs": "sparse-old-gnu",
    "tar refuses": "sparse-old-extended",
  },
  "global pax headers": {
    "umoci refuses":
      "pax-global-ignored pax-global-does-not-apply pax-global-named-like-a-file " +
      "xattr-global pax-global-alone",
    "tar differs": "pax-global-does-not-apply",
    "bsdtar accepts": "pax-global-malformed",
  },
  "the root's own metadata": { "umoci agrees": "root-entry-metadata" },
  "diff ids": {
    "umoci agrees": "diff-id-mismatch",
    "umoci accepts": "more-diff-ids-than-layers",
    "tar accepts": "gzip-trailing-member-not-in-diff-id",
    "bsdtar accepts": "gzip-trailing-member-not-in-diff-id",
  },
  "types and sizes of layers in the manifest": {
    "umoci accepts": "descriptor-size-negative",
    "umoci refuses":
      "docker-layer-media-type media-type-gzip-blob-plain media-type-plain-blob-gzip",
  },
  "zstd layers, a gzip header with a checksum": {
    "umoci refuses":
      "zstd-all-skippable-magics zstd-skippable-looks-like-frame zstd-rle-blocks layer-zstd " +
      "layer-zstd-frames mixed-compression zstd-window-8-mib zstd-window-128-mib layer-gzip-fields",
    "tar refuses": "zstd-all-skippable-magics zstd-skippable-looks-like-frame layer-zstd-frames",
  },
  "more than 40 links on one way": { "umoci accepts": "parent-41-links-over-components" },
  "a parent without an entry": {
    "umoci differs": "implied-under-setgid whiteout-dir-and-child-same-layer-order-2",
  },
  "limits of attributes, names and headers": {
    "umoci accepts": "xattr-129 many-pax-headers",
    "tar accepts":
      "pax-1-mib-1 many-pax-headers xattr-129 xattr-total-over-64k xattr-value-over-64k " +
      "xattr-name-over-255",
    "tar refuses": "path-long-but-cleans",
    "bsdtar accepts": "xattr-129 path-4096 name-path-over-4096 name-depth-10000",
  },
  "device numbers over 12 and 20 bits": { "umoci accepts": "special-device-over" },
  "an extension header at the end": {
    "umoci accepts": "truncated-after-pax-header",
    "tar accepts": "truncated-after-pax-header",
    "bsdtar refuses": "pax-header-then-end",
  },
  "aufs' metadata, `.wh..wh.plnk`": {
    "umoci accepts": "aufs-plnk-hardlink",
    "umoci differs": "aufs-metadata-of-all-kinds",
    "tar accepts": "aufs-plnk-hardlink",
    "bsdtar accepts": "aufs-plnk-hardlink",
  },
  "attributes: empty values, SELinux labels": {
    "umoci differs": "xattr-empty-value xattr-selinux",
  },

  "a whiteout": {
    "tar differs": "whiteout-in-first-layer",
    "bsdtar differs": "whiteout-in-first-layer",
  },
  "a name through a symlink of the archive": {
    "tar differs": "duplicate-through-link-and-direct symlinked-parent-same-layer",
    "tar refuses":
      "dir-then-symlink-then-child symlink-absolute-outside symlink-chain-attack " +
      "dangling-relative-symlinked-parent",
    "bsdtar refuses":
      "duplicate-through-link-and-direct dir-then-symlink-then-child symlinked-parent-same-layer " +
      "symlink-absolute-outside symlink-chain-attack dangling-relative-symlinked-parent",
  },
  "a hard link to a symlink that leads out": { "tar differs": "hardlink-to-symlink-outside" },
  "another type over a directory with children": {
    "tar refuses":
      "duplicate-dir-file-dir dir-then-file parent-dir-replaced-by-link-mid-layer " +
      "parent-canary-link-mid-layer",
    "bsdtar refuses":
      "duplicate-dir-file-dir dir-then-file parent-dir-replaced-by-link-mid-layer " +
      "parent-canary-link-mid-layer",
  },
  "`x/../a`": {
    "tar refuses": "duplicate-through-two-names name-dotdot-inside root-by-dotdot-as-directory",
    "bsdtar refuses":
      "duplicate-through-two-names name-dotdot-inside root-by-dotdot-as-directory " +
      "hardlink-target-dotdot-inside",
  },
  "a directory twice": {
    "tar differs": "name-dot-slash-prefix",
    "bsdtar differs": "duplicate-dir-metadata",
  },
  "damage of gzip": {
    "bsdtar accepts":
      "gzip-fhcrc-wrong gzip-crc-of-first-member gzip-trailing-zeros-then-member " +
      "gzip-trailing-garbage gzip-bad-crc gzip-bad-length",
  },
  "a lone zero block, then more": {
    "tar accepts": "one-zero-then-garbage zero-block-then-entry",
    "bsdtar accepts": "one-zero-then-garbage zero-block-then-entry",
  },
  "a bad or cut header": {
    "tar accepts": "truncated-in-header",
    "bsdtar accepts": "misaligned bad-header-checksum",
  },
  "the last padding is missing": {
    "tar refuses": "cut-body-exact truncated-in-padding",
    "bsdtar refuses": "cut-body-exact truncated-in-padding",
  },
  "pax against GNU, an empty or second header": {
    "tar differs": "gnu-long-then-pax",
    "tar refuses": "pax-empty-value-keeps-header pax-empty-linkpath-keeps-header",
    "bsdtar refuses": "pax-first-of-two-headers",
  },
  "malformed records and fields": {
    "tar accepts":
      "pax-nul-padding pax-mtime-malformed special-devmajor-garbage-on-file pax-record-empty-key",
    "tar refuses": "blank-ids pax-record-length-with-sign",
    "bsdtar accepts":
      "mtime-pax-no-seconds pax-size-not-a-number pax-mtime-malformed pax-size-exponent " +
      "pax-size-fraction pax-size-empty-hex pax-size-inner-space",
    "bsdtar refuses": "pax-record-length-with-sign",
  },
  "a NUL, or no UTF-8, in a pax name": {
    "tar accepts": "name-nul-in-pax-path pax-linkpath-with-nul",
    "bsdtar accepts": "name-nul-in-pax-path pax-linkpath-with-nul",
    "bsdtar refuses": "name-non-utf8-pax",
  },
  "maps of sparse files": {
    "tar accepts": "sparse-01-bad-more-data",
    "tar differs": "sparse-size-and-realsize",
    "tar refuses": "sparse-00-hole-at-both-ends sparse-10-empty-in-middle",
    "bsdtar refuses": "sparse-size-and-realsize sparse-pax-0.1",
  },
  "a hard link with a size": { "bsdtar differs": "hardlink-with-pax-size" },
  "unknown types": {
    "tar accepts":
      "unknown-typeflag gnu-volume-header solaris-extension-header gnu-dumpdir-and-multivolume " +
      "unknown-typeflag-high-byte",
    "bsdtar accepts":
      "unknown-typeflag gnu-volume-header solaris-extension-header gnu-dumpdir-and-multivolume",
  },
  "a file whose name ends with a slash": {
    "tar refuses": "name-trailing-slash-file",
    "bsdtar differs": "name-trailing-slash-file",
  },
  "a symlink without a target": { "bsdtar accepts": "symlink-empty-target" },
  "a hard link to the root, or to nothing": {
    "bsdtar accepts": "hardlink-to-root hardlink-empty-target",
  },
  "attributes in other forms": { "bsdtar differs": "xattr-libarchive-alone xattr-posix-acl-text" },
};

export const DEVIATION_ROWS: readonly string[] = Object.keys(ROWS);

/** `peer kind case` of all that is listed. */
export const LISTED: ReadonlySet<string> = new Set(
  Object.values(ROWS).flatMap((row) =>
    Object.entries(row).flatMap(([what, cases]) =>
      cases.split(" ").map((name) => `${what} ${name}`),
    ),
  ),
);

/** Every case that a row names. */
export const LISTED_CASES: ReadonlySet<string> = new Set(
  [...LISTED].map((line) => line.split(" ")[2] ?? ""),
);

/** Whether an outcome of a generated archive is what a row says of its traits. */
export function isExcused({ peer, kind, detail }: Outcome, traits: Traits): boolean {
  if (kind === "agrees") return true;
  // Whoever changes what lies outside is no oracle; nothing excuses it.
  if (kind === "escapes") return false;
  // "`..` above the root in a name"
  if (traits.climbs && (peer !== "umoci" || kind === "accepts")) return true;
  // "a hard link's mode, owner, time"
  if (traits.hardLinks && kind === "differs" && onlyOfLinks(detail)) return true;
  // "a parent without an entry"
  if (peer === "umoci") return traits.impliedParents && kind === "differs" && onlyTimes(detail);
  // "a whiteout", "a name through a symlink of the archive", "another type over a directory with children"
  return traits.whiteouts || traits.throughLink || traits.replacesDirectory;
}

function onlyTimes(detail: string): boolean {
  return detail.split("; ").every((part) => part.startsWith("time of "));
}

function onlyOfLinks(detail: string): boolean {
  return detail.split("; ").every((part) => /^(?:mode|owner|time|xattrs) of links of /.test(part));
}
