export type FileType =
  | "file"
  | "directory"
  | "character-device"
  | "block-device"
  | "fifo"
  | "socket"
  | "symlink";

/** By the number that directory records have for it; 0 is no type. */
const TYPES: readonly FileType[] = [
  "file",
  "directory",
  "character-device",
  "block-device",
  "fifo",
  "socket",
  "symlink",
];
/** By `mode >> 12`: that number. */
const TYPE_NUMBERS = [0, 5, 3, 0, 2, 0, 4, 0, 1, 0, 7, 0, 6, 0, 0, 0] as const;

/** 1 … 7 as in directory records; 0 when the mode has no known type. */
export function typeNumber(mode: number): number {
  return TYPE_NUMBERS[(mode >>> 12) & 15]!;
}

export function fileType(mode: number): FileType | undefined {
  return TYPES[typeNumber(mode) - 1];
}

/** @param number as in directory records */
export function typeName(number: number): string {
  return TYPES[number - 1] ?? "thing of no known type";
}
