import { printable } from "../errors.ts";
import type { LayerFault } from "../layer/fault.ts";
import { limitFault } from "../layer/fault.ts";
import type { Limits } from "../limits.ts";

/** Where the bytes of a file lie in an archive. */
export interface ArchiveMember {
  readonly start: number;
  readonly sizeBytes: number;
  /** Its name, or that of a link to it, is there twice; the first one is meant. */
  readonly ambiguous: boolean;
}

/** A file, a link to another name (`undefined`: it leads out of the archive), or what cannot be read. */
export type ArchiveEntry =
  | { readonly kind: "file"; readonly start: number; readonly sizeBytes: number }
  | { readonly kind: "link"; readonly target: string | undefined }
  | { readonly kind: "other" };

/** An entry of a `Map` with its strings and objects. */
const ENTRY_BYTES = 512;
/** How often what is held counts: it stays while the tree of the image grows to the same limit beside it. */
const WEIGHT = 4;

/** Names of an archive and what they are. What it holds in memory counts against `limits.metadataBytes`: some 57,000 blobs. */
export class ArchiveIndex {
  /** Whether the archive has an end marker; without it, it may have been cut between two entries. */
  complete = false;
  readonly #entries = new Map<string, ArchiveEntry>();
  readonly #twice = new Set<string>();
  readonly #fault: LayerFault;
  readonly #limits: Limits;
  #heldBytes = 0;

  constructor(fault: LayerFault, limits: Limits) {
    this.#fault = fault;
    this.#limits = limits;
  }

  /** @throws ImportError ERR_LIMIT_EXCEEDED */
  add(name: string, entry: ArchiveEntry): void {
    if (this.#entries.has(name)) {
      this.#twice.add(name);
      return;
    }
    const target = entry.kind === "link" ? (entry.target ?? "") : "";
    this.#heldBytes += WEIGHT * (ENTRY_BYTES + name.length + target.length);
    if (this.#heldBytes > this.#limits.metadataBytes) {
      const count = this.#entries.size + 1;
      const problem = `the names of its ${count} entries count as ${this.#heldBytes} bytes`;
      const met = { limit: "metadataBytes", value: this.#heldBytes, problem } as const;
      throw limitFault(this.#fault, this.#limits, met);
    }
    this.#entries.set(name, entry);
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /**
   * The file of a name, through links inside the archive.
   * @returns `undefined` when the name, or what a link leads to, is not there
   * @throws ImportError ERR_ARCHIVE_INVALID: a link that leads out or in a circle, or no file
   */
  find(name: string): ArchiveMember | undefined {
    let ambiguous = false;
    let at = name;
    for (let hops = 0; hops <= this.#limits.symlinksFollowed; hops += 1) {
      const entry = this.#entries.get(at);
      if (entry === undefined) return undefined;
      ambiguous ||= this.#twice.has(at);
      if (entry.kind === "file") return { ...entry, ambiguous };
      if (entry.kind === "other") throw this.#bad(at, "is no regular file");
      if (entry.target === undefined) throw this.#bad(at, "is a link that leads out of it");
      at = entry.target;
    }
    throw this.#bad(name, "leads through too many links");
  }

  #bad(name: string, why: string): Error {
    return this.#fault("ERR_ARCHIVE_INVALID", `"${shownName(name)}" ${why}`);
  }
}

/** A name as Latin-1, printable. */
export function shownName(name: string): string {
  return printable(Buffer.from(name, "latin1"));
}
