import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
} from "../rootfs/rootfs-tree.ts";

export const FILE_TYPE_DIRECTORY = 2;
/** By `S_IFMT` bits: `include/linux/fs_types.h`, `FT_*`. */
const FILE_TYPES: Readonly<Record<number, number>> = {
  [S_IFREG]: 1,
  [S_IFDIR]: FILE_TYPE_DIRECTORY,
  [S_IFCHR]: 3,
  [S_IFBLK]: 4,
  [S_IFIFO]: 5,
  0o140000: 6,
  [S_IFLNK]: 7,
};
const TYPE_BY_BITS: Uint8Array = Uint8Array.from(
  { length: 16 },
  (_, bits) => FILE_TYPES[bits << 12] ?? 0,
);

/** The file type that a directory's entry states, in ext4 and in EROFS. */
export function directoryFileType(mode: number): number {
  return TYPE_BY_BITS[(mode & S_IFMT) >>> 12]!;
}
