import { printable } from "../errors.ts";

/** `SealedRootfs.omissions`: at most so many lines, then a count. */
const MOST_LINES = 1000;
/** A path of 4,095 bytes, printed whole. */
const PATH_LENGTH = 4095;

/** Plain data, so that it comes back from a worker. */
export interface OmissionList {
  /** Things left out: devices, xattrs, set-id bits, times. At most 1,000 of them. */
  readonly lines: readonly string[];
  readonly count: number;
  /** Owners not set: there may be one an entry, so they never crowd out the others. */
  readonly ownerLines: readonly string[];
  readonly ownerCount: number;
}

/** Collects what could not be written exactly. */
export class Omissions implements OmissionList {
  readonly lines: string[] = [];
  count = 0;
  readonly ownerLines: string[] = [];
  ownerCount = 0;

  /** @param what after the path: `device 1:3 left out` */
  add(path: Uint8Array, what: string): void {
    this.count++;
    if (this.lines.length < MOST_LINES) this.lines.push(`${label(path)}: ${what}`);
  }

  addOwner(path: Uint8Array, what: string): void {
    this.ownerCount++;
    if (this.ownerLines.length < MOST_LINES) this.ownerLines.push(`${label(path)}: ${what}`);
  }

  /** More lines are wanted: the path of an owner line need not be built when not. */
  get takesOwners(): boolean {
    return this.ownerLines.length < MOST_LINES;
  }
}

/** All lists as lines, in the order given: what is missing before what only belongs to somebody else. */
export function omissionLines(lists: readonly OmissionList[]): readonly string[] {
  const lines = lists.flatMap((list) => list.lines);
  const ownerLines = lists.flatMap((list) => list.ownerLines);
  const total = lists.reduce((sum, { count, ownerCount }) => sum + count + ownerCount, 0);
  const shown = [...lines, ...ownerLines].slice(0, MOST_LINES);
  return shown.length === total ? shown : [...shown, `… and ${total - shown.length} more`];
}

function label(path: Uint8Array): string {
  return path.length === 0 ? "/" : printable(path, PATH_LENGTH);
}
