import fc from "fast-check";
import type { TreeEntry } from "./tree-builder.ts";

/** Components that trip up whoever treats names as text or sorts them otherwise than by bytes. */
const component = fc.oneof(
  fc.constantFrom(
    "a",
    "b",
    "a-",
    "a.b",
    "a b",
    "usr",
    "usr-x",
    "-rf",
    "\xc3\xa9",
    "\xff",
    "=",
    "%3D",
  ),
  fc.stringMatching(/^[a-c~!]{1,3}$/),
  fc.constantFrom("n", "\xe9").map((byte) => byte.repeat(120)),
);
const directory = fc.array(component, { maxLength: 4 }).map((parts) => parts.join("/"));
const bytes = (maxLength: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength });

const attributes = fc.record(
  {
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: fc.constantFrom(0, 1, 65_534, 2 ** 21, 2 ** 32 - 2),
    gid: fc.constantFrom(0, 1, 65_534, 2 ** 21, 2 ** 32 - 2),
    mtime: fc.tuple(
      fc.constantFrom(0, 1, -1, -1_000_000, 1_700_000_000, 2 ** 33),
      fc.constantFrom(0, 0, 1, 500_000_000, 999_999_999),
    ),
  },
  { requiredKeys: [] },
);
const xattrs = fc.dictionary(
  fc.constantFrom("user.a", "user.\xff", "user.empty", "security.x"),
  bytes(300),
  { maxKeys: 3 },
);
const content = fc.oneof(
  bytes(40),
  bytes(1200),
  fc.integer({ min: 1, max: 300_000 }).map((length) => Buffer.alloc(length, length % 3)),
);

interface Drawn {
  readonly directory: string;
  readonly component: string;
  readonly entry: Omit<TreeEntry, "path">;
}
const drawn: fc.Arbitrary<Drawn> = fc
  .record({
    directory,
    component,
    entry: fc.oneof(
      fc.record({ type: fc.constant("file" as const), content, xattrs }),
      fc.record({ type: fc.constant("directory" as const), xattrs }),
      fc.record({
        type: fc.constant("symlink" as const),
        target: fc.oneof(
          component,
          component.map((text) => `../${text}/${"t".repeat(90)}`),
        ),
      }),
      fc.record({ type: fc.constant("fifo" as const) }),
      fc.record({
        type: fc.constantFrom("character" as const, "block" as const),
        device: fc.tuple(fc.nat(4095), fc.nat(1_048_575)),
      }),
    ),
  })
  .chain((base) =>
    attributes.map((more) =>
      Object.assign({}, base, { entry: Object.assign({}, base.entry, more) }),
    ),
  );

/**
 * Random trees: no path twice, nothing below what is no directory, hard links to what is there. Paths are latin1.
 * @param options.links how many hard links at most
 */
export function randomTree(options: { readonly links?: number } = {}): fc.Arbitrary<TreeEntry[]> {
  const links = fc.array(fc.tuple(fc.nat(), component), { maxLength: options.links ?? 4 });
  return fc
    .tuple(fc.array(drawn, { maxLength: 14 }), links)
    .map(([entries, wanted]) => withLinks(consistent(entries), wanted));
}

function consistent(drawnEntries: readonly Drawn[]): Map<string, TreeEntry> {
  const byPath = new Map<string, TreeEntry>();
  for (const { directory: parent, component: name, entry } of drawnEntries) {
    const path = parent === "" ? name : `${parent}/${name}`;
    const above = parentsOf(path).map((at) => byPath.get(at)?.type ?? "directory");
    const isUsed = [...byPath.keys()].some((other) => other.startsWith(`${path}/`));
    if (byPath.has(path) || above.some((type) => type !== "directory")) continue;
    if (isUsed && entry.type !== "directory") continue;
    byPath.set(path, { path, ...entry });
  }
  return byPath;
}

function withLinks(
  byPath: Map<string, TreeEntry>,
  wanted: readonly (readonly [number, string])[],
): TreeEntry[] {
  const targets = [...byPath.values()].filter(({ type }) => type !== "directory");
  for (const [index, name] of wanted) {
    const target = targets[index % Math.max(1, targets.length)];
    const path = `links/${name}`;
    if (target === undefined || byPath.has(path)) continue;
    if (parentsOf(path).some((at) => (byPath.get(at)?.type ?? "directory") !== "directory"))
      continue;
    byPath.set(path, { path, type: "hardlink", target: target.path });
  }
  return [...byPath.values()];
}

function parentsOf(path: string): string[] {
  const parents: string[] = [];
  for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) {
    parents.push(path.slice(0, at));
  }
  return parents;
}
