import { printable } from "../errors.ts";

/** `SealedRootfs.omissions`: at most so many lines, then a count. */
const MOST_LINES = 1000;
/**
 * The line that passes this is the last one. Attack: each of a seal's 256 tasks has its lists, and paths of 4,095 bytes would
 * make them a gigabyte; what is shown goes into the catalog too.
 */
const MOST_CHARACTERS = 1 << 18;
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
  #charactersLeft = MOST_CHARACTERS;
  #ownerCharactersLeft = MOST_CHARACTERS;

  /** @param what after the path: `device 1:3 left out` */
  add(path: Uint8Array, what: string): void {
    this.count++;
    if (!this.takesLines) return;
    const line = `${label(path)}: ${what}`;
    this.#charactersLeft -= line.length;
    this.lines.push(line);
  }

  addOwner(path: Uint8Array, what: string): void {
    this.ownerCount++;
    if (!this.takesOwners) return;
    const line = `${label(path)}: ${what}`;
    this.#ownerCharactersLeft -= line.length;
    this.ownerLines.push(line);
  }

  /** More lines are wanted: else the path need not be built. */
  get takesLines(): boolean {
    return this.lines.length < MOST_LINES && this.#charactersLeft > 0;
  }

  /** More lines are wanted: the path of an owner line need not be built when not. */
  get takesOwners(): boolean {
    return this.ownerLines.length < MOST_LINES && this.#ownerCharactersLeft > 0;
  }
}

/** All lists as lines, in the order given: what is missing before what only belongs to somebody else. */
export function omissionLines(lists: readonly OmissionList[]): readonly string[] {
  const lines = [
    ...lists.flatMap((list) => list.lines),
    ...lists.flatMap((list) => list.ownerLines),
  ];
  const total = lists.reduce((sum, { count, ownerCount }) => sum + count + ownerCount, 0);
  const shown: string[] = [];
  let charactersLeft = MOST_CHARACTERS;
  for (const line of lines) {
    if (shown.length === MOST_LINES || charactersLeft <= 0) break;
    charactersLeft -= line.length;
    shown.push(line);
  }
  return shown.length === total ? shown : [...shown, `… and ${total - shown.length} more`];
}

function label(path: Uint8Array): string {
  return path.length === 0 ? "/" : printable(path, PATH_LENGTH);
}
