import type { LayerEntry } from "./layer-entries.ts";
import { formatRows, type TreeRow } from "./tree-rows.ts";

/**
 * The rules of image-spec layer.md and of our layer semantics, written a second time: slow, recursive, on maps of
 * strings, and with nothing of src/. What this and the merge agree on was thought of twice.
 */

interface Inode {
  readonly type: string;
  mode: number;
  owner: string;
  mtime: string;
  readonly value: string;
  xattrs: string;
  /** Only a directory has them. */
  readonly children: Map<string, Inode>;
}

/** A layer that must be refused. */
export class Refused extends Error {
  readonly code: string;
  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

export interface ReferenceLimits {
  readonly symlinksFollowed: number;
  readonly pathBytes: number;
  readonly hardLinks: number;
}

/** @returns the rows of the merged tree, as `treeRows` prints them. @throws Refused */
export function referenceMerge(
  layers: readonly (readonly LayerEntry[])[],
  limits: ReferenceLimits,
): string[] {
  const root = impliedDirectory();
  for (const entries of layers) applyLayer(root, entries, limits);
  return rowsOf(root);
}

function impliedDirectory(): Inode {
  return {
    type: "directory",
    mode: 0o755,
    owner: "0:0",
    mtime: "0.0",
    value: "",
    xattrs: "",
    children: new Map(),
  };
}

/** A name in a directory. Hard links make several of one object. */
interface Name {
  readonly directory: Inode;
  readonly name: string;
  readonly inode: Inode;
}

/** Where a walk arrived: the directories from the root down to it, each with the name it has in the one before. */
interface Arrival {
  readonly stack: { readonly name: string; readonly inode: Inode }[];
  /** Names after the deepest directory that are not there. */
  readonly missing: string[];
  readonly links: Name[];
}

const parts = (path: string): string[] => path.split("/").filter((part) => part !== "");
const isMarker = ({ type }: LayerEntry): boolean => type === "whiteout" || type === "opaque";

function walk(root: Inode, path: readonly string[], limits: ReferenceLimits): Arrival {
  const arrival: Arrival = { stack: [{ name: "", inode: root }], missing: [], links: [] };
  const { stack, missing, links } = arrival;
  const todo = [...path];
  for (let part = todo.shift(); part !== undefined; part = todo.shift()) {
    const here = stack.at(-1)?.inode ?? root;
    const next = missing.length > 0 ? undefined : here.children.get(part);
    if (part === ".") continue;
    else if (part === "..") {
      if (missing.length > 0) missing.pop();
      else if (stack.length > 1) stack.pop();
    } else if (next === undefined) missing.push(part);
    else if (next.type === "directory") stack.push({ name: part, inode: next });
    else if (next.type === "symlink") {
      links.push({ directory: here, name: part, inode: next });
      if (links.length > limits.symlinksFollowed) throw new Refused("ERR_LINK_LOOP");
      const target = next.value.slice("-> ".length);
      if (target.startsWith("/")) stack.splice(1);
      todo.unshift(...parts(target));
    } else throw new Refused("ERR_NOT_A_DIRECTORY");
  }
  return arrival;
}

const last = ({ stack }: Arrival): Inode => {
  const top = stack.at(-1);
  if (top === undefined) throw new Error("an empty stack");
  return top.inode;
};

function applyLayer(root: Inode, entries: readonly LayerEntry[], limits: ReferenceLimits): void {
  const { blocked, hiddenTargets } = hideLower(root, entries, limits);
  for (const entry of entries) {
    if (!isMarker(entry)) place(root, entry, { limits, hiddenTarget: hiddenTargets.get(entry) });
  }
  for (const marker of blocked) walk(root, directoryOf(marker), limits);
}

const directoryOf = ({ type, path }: LayerEntry): string[] =>
  type === "opaque" ? parts(path) : parts(path).slice(0, -1);

/** @returns the markers whose directory is none, and what hard links named before a later marker hid it */
function hideLower(
  root: Inode,
  entries: readonly LayerEntry[],
  limits: ReferenceLimits,
): { readonly blocked: LayerEntry[]; readonly hiddenTargets: ReadonlyMap<LayerEntry, Inode> } {
  const targets = new Map<LayerEntry, Name>();
  const lower = entries.map((entry) =>
    isMarker(entry) ? undefined : lowerName(root, entry, limits),
  );
  const blocked: LayerEntry[] = [];
  entries.forEach((marker, number) => {
    if (marker.type === "hardlink") {
      const target = namedTarget(root, marker, limits);
      if (target !== undefined) targets.set(marker, target);
    }
    if (!isMarker(marker)) return;
    const arrival = attempt(() => walk(root, directoryOf(marker), limits));
    if (arrival === undefined) blocked.push(marker);
    if (arrival === undefined || arrival.missing.length > 0) return;
    const replaced = entries.slice(0, number).some((entry, at) => {
      const same = ({ directory, name }: Name): boolean =>
        directory === lower[at]?.directory && name === lower[at].name;
      if (!arrival.links.some(same)) return false;
      return entry.type !== "symlink" || lower[at]?.inode.value !== `-> ${entry.link}`;
    });
    if (replaced) return;
    if (marker.type === "opaque") last(arrival).children.clear();
    else last(arrival).children.delete(parts(marker.path).at(-1) ?? "");
  });
  const hidden = [...targets].filter(
    ([, { directory, name, inode }]) =>
      directory.children.get(name) !== inode || !isBelow(root, directory),
  );
  return { blocked, hiddenTargets: new Map(hidden.map(([link, { inode }]) => [link, inode])) };
}

/** What a hard link names, unless it is a directory or the object that the link replaces leads to it. */
function namedTarget(root: Inode, link: LayerEntry, limits: ReferenceLimits): Name | undefined {
  const own = lowerName(root, link, limits);
  const path = parts(link.link);
  const arrival = attempt(() => walk(root, path.slice(0, -1), limits));
  const target = lowerName(root, { ...link, path: link.link }, limits);
  if (target === undefined || target.inode.type === "directory") return undefined;
  if (own === undefined) return target;
  const isOwn = ({ directory, name }: Name): boolean =>
    directory === own.directory && name === own.name;
  const below = own.inode.type === "directory" && isBelow(own.inode, target.directory);
  return isOwn(target) || below || arrival?.links.some(isOwn) === true ? undefined : target;
}

/** Whether an object is a directory, or lies below it. */
function isBelow(directory: Inode, object: Inode): boolean {
  if (directory === object) return true;
  return [...directory.children.values()].some((child) => isBelow(child, object));
}

function lowerName(root: Inode, entry: LayerEntry, limits: ReferenceLimits): Name | undefined {
  const arrival = attempt(() => walk(root, parts(entry.path).slice(0, -1), limits));
  if (arrival === undefined || arrival.missing.length > 0) return undefined;
  const directory = last(arrival);
  const name = parts(entry.path).at(-1) ?? "";
  const inode = directory.children.get(name);
  return inode === undefined ? undefined : { directory, name, inode };
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof Refused) return undefined;
    throw error;
  }
}

function place(
  root: Inode,
  entry: LayerEntry,
  context: { readonly limits: ReferenceLimits; readonly hiddenTarget: Inode | undefined },
): void {
  const { limits } = context;
  const name = parts(entry.path).at(-1);
  if (name === undefined) {
    if (entry.type !== "directory") throw new Refused("ERR_LAYER_CORRUPT");
    describe(root, entry);
    root.xattrs = xattrText(entry);
    return;
  }
  const arrival = walk(root, parts(entry.path).slice(0, -1), limits);
  const names = [...arrival.stack.slice(1).map((step) => step.name), ...arrival.missing, name];
  if (names.join("/").length > limits.pathBytes) throw new Refused("ERR_NAME_TOO_LONG");
  let directory = last(arrival);
  for (const missing of arrival.missing) {
    const implied = impliedDirectory();
    directory.children.set(missing, implied);
    directory = implied;
  }
  const existing = directory.children.get(name);
  if (entry.type === "directory" && existing?.type === "directory") {
    describe(existing, entry);
    existing.xattrs = xattrText(entry);
    return;
  }
  if (existing !== undefined) directory.children.delete(name);
  directory.children.set(
    name,
    entry.type === "hardlink" ? linked(root, entry, context) : made(entry),
  );
  if (entry.type === "hardlink") checkLinks(root, directory.children.get(name), limits);
}

function linked(
  root: Inode,
  entry: LayerEntry,
  context: { readonly limits: ReferenceLimits; readonly hiddenTarget: Inode | undefined },
): Inode {
  let found: Inode | undefined;
  try {
    const arrival = walk(root, parts(entry.link).slice(0, -1), context.limits);
    const name = parts(entry.link).at(-1) ?? "";
    if (arrival.missing.length === 0) found = last(arrival).children.get(name);
  } catch (error) {
    if (!(error instanceof Refused && error.code === "ERR_NOT_A_DIRECTORY")) throw error;
  }
  const target = found ?? context.hiddenTarget;
  if (target === undefined || target.type === "directory") {
    throw new Refused("ERR_LINK_TARGET_MISSING");
  }
  describe(target, entry);
  if (xattrText(entry) !== "") target.xattrs = xattrText(entry);
  return target;
}

function checkLinks(root: Inode, inode: Inode | undefined, limits: ReferenceLimits): void {
  const count = (directory: Inode): number =>
    [...directory.children.values()].reduce(
      (sum, child) => sum + (child === inode ? 1 : 0) + count(child),
      0,
    );
  if (count(root) > limits.hardLinks) throw new Refused("ERR_LIMIT_EXCEEDED");
}

function made(entry: LayerEntry): Inode {
  const values: Readonly<Record<string, string>> = {
    file: `${entry.size} #${entry.body}`,
    symlink: `-> ${entry.link}`,
    character: `${entry.major},${entry.minor}`,
    block: `${entry.major},${entry.minor}`,
  };
  const inode: Inode = {
    ...impliedDirectory(),
    type: entry.type,
    value: values[entry.type] ?? "",
    xattrs: xattrText(entry),
  };
  describe(inode, entry);
  return inode;
}

function describe(inode: Inode, entry: LayerEntry): void {
  inode.mode = inode.type === "symlink" ? 0o777 : entry.mode;
  inode.owner = `${entry.uid}:${entry.gid}`;
  inode.mtime = `${entry.mtimeSeconds}.${entry.mtimeNanoseconds}`;
}

function xattrText({ xattrs }: LayerEntry): string {
  return Object.entries(xattrs)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join(",");
}

function rowsOf(root: Inode): string[] {
  const names = new Map<Inode, string[]>();
  const collect = (inode: Inode, path: string): void => {
    names.set(inode, [...(names.get(inode) ?? []), path]);
    for (const [name, child] of inode.children)
      collect(child, path === "" ? name : `${path}/${name}`);
  };
  collect(root, "");
  const rows: TreeRow[] = [...names].flatMap(([inode, paths]) =>
    paths.map((path) => ({ ...inode, path, names: paths })),
  );
  return formatRows(rows);
}
