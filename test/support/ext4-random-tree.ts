import fc from "fast-check";
import type { TreeEntry } from "./tree-builder.ts";

/** Bytes of names that are hard on somebody: signed characters, spaces, dots, a newline; never NUL and "/". */
const anyName: fc.Arbitrary<string> = fc
  .oneof(
    { weight: 6, arbitrary: fc.stringMatching(/^[a-z]{1,8}$/) },
    {
      weight: 2,
      arbitrary: fc
        .uint8Array({ minLength: 1, maxLength: 255 })
        .map((bytes) => Buffer.from(bytes).toString("latin1").replaceAll(/[\0/]/g, "_")),
    },
    { weight: 1, arbitrary: fc.constantFrom("n".repeat(255), "...", "lost+found", "\xff", "\n") },
  )
  .map((name) => (name === "." || name === ".." ? `${name}_` : name));

const anyDirectory: fc.Arbitrary<string> = fc
  .array(fc.oneof({ weight: 4, arbitrary: fc.constantFrom("a", "b", "c") }, anyName), {
    maxLength: 4,
  })
  .map((parts) => parts.join("/"));

const anyTime: fc.Arbitrary<readonly [number, number]> = fc.tuple(
  // ext4 holds times up to 2446, but for those from 2310 to 2378.
  fc.oneof(
    fc.integer({ min: -(2 ** 31), max: 10_737_418_239 }),
    fc.integer({ min: 12_884_901_888, max: 2 ** 34 - 2 ** 31 - 2 }),
  ),
  fc.nat(999_999_999),
);

const anyXattrs = fc.dictionary(
  fc.stringMatching(/^(user|security)\.[a-z]{1,12}$/),
  fc.uint8Array({ maxLength: 400 }),
  { maxKeys: 5 },
);

const anyContent = fc.oneof(
  { weight: 2, arbitrary: fc.constant(0) },
  { weight: 6, arbitrary: fc.nat(9000) },
  { weight: 1, arbitrary: fc.nat(200_000) },
);

interface Draft {
  readonly name: string;
  readonly directory: string;
  readonly type: TreeEntry["type"];
  readonly mode: number;
  readonly owner: readonly [number, number];
  readonly time: readonly [number, number];
  readonly size: number;
  readonly target: string;
  readonly device: readonly [number, number];
  readonly xattrs: Readonly<Record<string, Uint8Array>>;
  /** Names of the same kind beside it, for wide directories. */
  readonly repeated: number;
  readonly linked: number;
}

const anyDraft: fc.Arbitrary<Draft> = fc.record({
  name: anyName,
  directory: anyDirectory,
  type: fc.oneof(
    { weight: 5, arbitrary: fc.constant("file" as const) },
    fc.constantFrom("directory", "symlink", "character", "block", "fifo", "hardlink"),
  ),
  mode: fc.nat(0o7777),
  owner: fc.tuple(fc.nat(2 ** 32 - 2), fc.nat(2 ** 32 - 2)),
  time: anyTime,
  size: anyContent,
  target: fc
    .oneof(fc.nat(100), fc.constantFrom(58, 59, 60, 61, 4094))
    .map((length) => "./".repeat(length + 1).slice(0, length + 1)),
  device: fc.tuple(fc.nat(4095), fc.nat(1_048_575)),
  xattrs: anyXattrs,
  repeated: fc.oneof({ weight: 12, arbitrary: fc.constant(0) }, fc.nat(600)),
  linked: fc.nat(),
});

/** Trees of everything an image may hold: deep, wide, with links and attributes. Paths are unique, parents directories. */
export const anyTree: fc.Arbitrary<readonly TreeEntry[]> = fc
  .array(anyDraft, { maxLength: 40 })
  .map(treeOf);

function treeOf(drafts: readonly Draft[]): readonly TreeEntry[] {
  const entries = new Map<string, TreeEntry>();
  const directories = new Set<string>([""]);
  const files: string[] = [];
  const add = (path: string, draft: Draft, size: number): void => {
    if (entries.has(path) || directories.has(path) || !hasFreeParents(path, entries)) return;
    const entry = entryOf(path, draft, { files, size });
    if (entry === undefined) return;
    for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) {
      directories.add(path.slice(0, at));
    }
    entries.set(path, entry);
    if (entry.type === "file") files.push(path);
  };
  for (const draft of drafts) {
    const prefix = draft.directory === "" ? "" : `${draft.directory}/`;
    add(prefix + draft.name, draft, draft.size);
    for (let n = 0; n < draft.repeated; n++) {
      add(`${prefix}${n}-${draft.name}`.slice(0, prefix.length + 255), draft, draft.size % 300);
    }
  }
  return [...entries.values()];
}

/** No parent of the path is a file or the like. */
function hasFreeParents(path: string, entries: ReadonlyMap<string, TreeEntry>): boolean {
  for (let at = path.indexOf("/"); at !== -1; at = path.indexOf("/", at + 1)) {
    const parent = entries.get(path.slice(0, at));
    if (parent !== undefined && parent.type !== "directory") return false;
  }
  return true;
}

function entryOf(
  path: string,
  draft: Draft,
  { files, size }: { readonly files: readonly string[]; readonly size: number },
): TreeEntry | undefined {
  const { type, mode, owner, time, target, device, xattrs } = draft;
  const [uid, gid] = owner;
  if (type === "hardlink") {
    const linked = files[draft.linked % Math.max(1, files.length)];
    return linked === undefined ? undefined : { path, type, target: linked };
  }
  const holdsUser = type === "file" || type === "directory";
  const held = Object.entries(xattrs).filter(
    ([name]) => (holdsUser || !name.startsWith("user.")) && name !== "security.capability",
  );
  const base = { path, type, mode, uid, gid, mtime: time, xattrs: Object.fromEntries(held) };
  if (type === "symlink") return { ...base, target };
  if (type === "character" || type === "block") return { ...base, device };
  if (type === "file") return { ...base, content: Buffer.alloc(size, `${path} `, "latin1") };
  return base;
}
