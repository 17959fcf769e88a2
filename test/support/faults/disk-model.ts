/*
 * What is on a disk after a power-off, by the rules that POSIX gives and no more: fsync of a file makes its bytes durable, and
 * not its name; fsync of a directory makes its names durable; a rename is one step in both of its directories.
 */

export const PAGE_BYTES = 4096;

/** A change of a file that was not synced yet. */
export type DataChange =
  | { readonly kind: "write"; readonly at: number; readonly bytes: Buffer }
  | { readonly kind: "zero"; readonly at: number; readonly length: number }
  | { readonly kind: "size"; readonly size: number }
  | { readonly kind: "attribute"; readonly attribute: Attribute };

/** Something that a file or directory has besides its bytes; applied in order. */
export type Attribute =
  | { readonly kind: "mode"; readonly mode: number }
  | { readonly kind: "owner"; readonly uid: number; readonly gid: number }
  | { readonly kind: "mtime"; readonly seconds: number }
  | { readonly kind: "xattr"; readonly name: string; readonly value: string | undefined };

export interface Contents {
  readonly pages: ReadonlyMap<number, Buffer>;
  readonly size: number;
  readonly attributes: readonly Attribute[];
}

export type NodeKind = "file" | "dir" | "symlink" | "fifo";

export interface DiskNode {
  readonly id: number;
  readonly kind: NodeKind;
  /** Of a symlink. */
  readonly target: string;
  /** What is on the disk. */
  durable: Contents;
  pending: DataChange[];
  /** Of a directory: names as the system shows them, and as the disk has them. */
  readonly names: Map<string, DiskNode>;
  readonly durableNames: Map<string, DiskNode>;
  parent: DiskNode | undefined;
}

interface NameChange {
  readonly directory: DiskNode;
  readonly name: string;
  readonly node: DiskNode | undefined;
}

export const EMPTY: Contents = { pages: new Map(), size: 0, attributes: [] };

export class DiskModel {
  readonly root: DiskNode;
  #nodes: DiskNode[] = [];
  /** Changes of names that no directory's sync has made durable; each is one step. */
  #pendingNames: (readonly NameChange[])[] = [];

  constructor() {
    this.root = this.makeNode("dir");
  }

  makeNode(kind: NodeKind, attributes: readonly Attribute[] = [], target = ""): DiskNode {
    const node: DiskNode = {
      id: this.#nodes.length,
      kind,
      target,
      durable: {
        ...EMPTY,
        attributes,
      },
      pending: [],
      names: new Map(),
      durableNames: new Map(),
      parent: undefined,
    };
    this.#nodes.push(node);
    return node;
  }

  /** One step, in one or two directories. */
  changeNames(...changes: readonly NameChange[]): void {
    for (const { directory, name, node } of changes) {
      if (node === undefined) directory.names.delete(name);
      else {
        directory.names.set(name, node);
        node.parent = directory;
      }
    }
    this.#pendingNames.push(changes);
  }

  sync(node: DiskNode): void {
    node.durable = applied(node.durable, node.pending);
    node.pending = [];
    if (node.kind === "dir") {
      this.#settleNames((changes) => changes.some(({ directory }) => directory === node));
    }
  }

  syncAll(): void {
    for (const node of this.#nodes) {
      node.durable = applied(node.durable, node.pending);
      node.pending = [];
    }
    this.#settleNames(() => true);
  }

  /** The directories whose names on the disk are not those that the system shows. */
  unsyncedDirectories(): readonly DiskNode[] {
    return [...new Set(this.#pendingNames.flatMap((step) => step.map((it) => it.directory)))];
  }

  /** The names that are on the disk when, of what was not synced, only what `keep` picks has got there. */
  namesAfter(
    keep: (changes: readonly NameChange[]) => boolean,
  ): (directory: DiskNode) => ReadonlyMap<string, DiskNode> {
    const chosen = this.#withEarlier(keep);
    const changed = new Map<DiskNode, Map<string, DiskNode>>();
    for (const [step, changes] of this.#pendingNames.entries()) {
      if (!chosen.has(step)) continue;
      for (const { directory, name, node } of changes) {
        const names = changed.get(directory) ?? new Map(directory.durableNames);
        if (node === undefined) names.delete(name);
        else names.set(name, node);
        changed.set(directory, names);
      }
    }
    return (directory) => changed.get(directory) ?? directory.durableNames;
  }

  #settleNames(isSynced: (changes: readonly NameChange[]) => boolean): void {
    const settled = this.#withEarlier(isSynced);
    for (const step of settled) {
      for (const { directory, name, node } of this.#pendingNames[step] ?? []) {
        if (node === undefined) directory.durableNames.delete(name);
        else directory.durableNames.set(name, node);
      }
    }
    this.#pendingNames = this.#pendingNames.filter((_, step) => !settled.has(step));
  }

  /** A step needs those before it that changed the same name. @returns steps in their order */
  #withEarlier(wanted: (changes: readonly NameChange[]) => boolean): Set<number> {
    const needed = new Set<string>();
    const steps: number[] = [];
    for (const [back, changes] of this.#pendingNames.toReversed().entries()) {
      const step = this.#pendingNames.length - 1 - back;
      const keys = changes.map(({ directory, name }) => `${directory.id}/${name}`);
      if (!wanted(changes) && !keys.some((key) => needed.has(key))) continue;
      for (const key of keys) needed.add(key);
      steps.unshift(step);
    }
    return new Set(steps);
  }
}

export function applied(contents: Contents, changes: readonly DataChange[]): Contents {
  if (changes.length === 0) return contents;
  const pages = new Map(contents.pages);
  let { size } = contents;
  const attributes = [...contents.attributes];
  for (const change of changes) {
    switch (change.kind) {
      case "write":
        put(pages, change.at, change.bytes);
        size = Math.max(size, change.at + change.bytes.length);
        break;
      case "zero":
        put(pages, change.at, Buffer.alloc(Math.max(0, Math.min(change.length, size - change.at))));
        break;
      case "size":
        if (change.size < size) put(pages, change.size, Buffer.alloc(size - change.size));
        ({ size } = change);
        break;
      case "attribute":
        attributes.push(change.attribute);
        break;
    }
  }
  return { pages, size, attributes };
}

/** Pages are never changed: they are those of earlier states too. */
function put(pages: Map<number, Buffer>, at: number, bytes: Buffer): void {
  for (let done = 0; done < bytes.length;) {
    const number = Math.floor((at + done) / PAGE_BYTES);
    const offset = (at + done) % PAGE_BYTES;
    const length = Math.min(PAGE_BYTES - offset, bytes.length - done);
    const page = Buffer.from(pages.get(number) ?? Buffer.alloc(PAGE_BYTES));
    bytes.copy(page, offset, done, done + length);
    pages.set(number, page);
    done += length;
  }
}
