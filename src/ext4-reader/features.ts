import { COMPAT, INCOMPAT, RO_COMPAT } from "./format.ts";

/** The three feature words of a superblock. */
export interface Features {
  readonly compat: number;
  readonly incompat: number;
  readonly roCompat: number;
}

type FeatureSet = keyof Features;

/** Names as `dumpe2fs` prints them; a feature without a name here gets its bit. */
const NAMES: Readonly<Record<FeatureSet, Readonly<Record<number, string>>>> = {
  compat: {
    0x1: "dir_prealloc",
    0x2: "imagic_inodes",
    0x40: "lazy_bg",
    0x80: "exclude_inode",
    0x100: "exclude_bitmap",
    0x200: "sparse_super2",
    0x800: "stable_inodes",
  },
  incompat: {
    0x1: "compression",
    0x2: "filetype",
    0x8: "journal_dev",
    0x40: "extent",
    0x100: "mmp",
    0x400: "ea_inode",
    0x1000: "dirdata",
    0x4000: "large_dir",
    0x8000: "inline_data",
    0x10000: "encrypt",
    0x20000: "casefold",
  },
  roCompat: {
    0x4: "btree_dir",
    0x10: "uninit_bg",
    0x80: "has_snapshot",
    0x100: "quota",
    0x200: "bigalloc",
    0x400: "metadata_csum",
    0x800: "replica",
    0x2000: "project",
    0x4000: "shared_blocks",
    0x8000: "verity",
  },
};

const READABLE_INCOMPAT = union(INCOMPAT);
/** `bigalloc` alone of the others changes what a reader sees: its bitmaps count clusters. */
const UNREADABLE_RO_COMPAT = 0x200;
const VERIFIABLE_COMPAT = union(COMPAT);
const VERIFIABLE_RO_COMPAT = union(RO_COMPAT) & ~RO_COMPAT.groupChecksums;

/** Features that keep a reader out: by name; empty when it can read. */
export function unreadableFeatures({ incompat, roCompat }: Features): readonly string[] {
  return [
    ...((incompat & INCOMPAT.filetype) === 0 ? ["directories without types"] : []),
    ...namesOf("incompat", incompat & ~READABLE_INCOMPAT),
    ...namesOf("roCompat", roCompat & UNREADABLE_RO_COMPAT),
  ];
}

/** Features whose blocks `verify` could not account for: by name. */
export function unverifiableFeatures(features: Features): readonly string[] {
  return [
    ...unreadableFeatures(features),
    ...namesOf("compat", features.compat & ~VERIFIABLE_COMPAT),
    ...namesOf("roCompat", features.roCompat & ~VERIFIABLE_RO_COMPAT & ~UNREADABLE_RO_COMPAT),
  ];
}

function namesOf(set: FeatureSet, bits: number): readonly string[] {
  const names: string[] = [];
  for (let shift = 0; shift < 32; shift++) {
    const bit = (1 << shift) >>> 0;
    if ((bits & bit) !== 0) names.push(NAMES[set][bit] ?? `${set} 0x${bit.toString(16)}`);
  }
  return names;
}

function union(bits: Readonly<Record<string, number>>): number {
  return Object.values(bits).reduce((all, bit) => all | bit, 0);
}
