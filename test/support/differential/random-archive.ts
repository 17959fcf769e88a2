import fc from "fast-check";
import {
  isObject,
  listAt,
  text,
  type Json,
  type JsonObject,
  type LayerCase,
} from "../case-kit/case-json.ts";

/** Few components, so that entries meet; all ways to spell a path. */
const component = fc.constantFrom("a", "b", "c", "é", "x y", "n".repeat(120));
const path = fc
  .tuple(
    fc.constantFrom("", "", "", "", "./", "/", "./"),
    fc.array(component, { minLength: 1, maxLength: 3 }),
    fc.constantFrom("/", "/", "/", "//", "/./"),
  )
  .map(([before, parts, between]) => before + parts.join(between));
const hostilePath = fc.oneof(
  { weight: 12, arbitrary: path },
  { weight: 1, arbitrary: path.map((name) => `x/../${name}`) },
  { weight: 1, arbitrary: path.map((name) => `${name}/../../../../${name}`) },
);
const target = fc.oneof(
  path,
  path.map((name) => `../${name}`),
  fc.constantFrom("/", ".", "..", "../../../..", "/tmp", "${CANARY}", "${CANARY}/dir"),
);
const common = {
  format: fc.constantFrom("ustar", "pax", "gnu"),
  uid: fc.constantFrom(0, 1, 65_534, 2_000_000, 4_294_967_294),
  gid: fc.constantFrom(0, 5, 4_294_967_294),
  mtime: fc.constantFrom(0, 1, 1_500_000_000, 1_700_000_000, 2_500_000_000),
};
const mode = fc.constantFrom("0644", "0600", "0000", "4755", "0777");
const xattrs = fc.option(
  fc.dictionary(fc.constantFrom("user.a", "user.b", "security.x"), fc.constantFrom("1", "two"), {
    minKeys: 1,
    maxKeys: 2,
  }),
  { nil: {}, freq: 3 },
);

/** One entry, hostile or not, whose bytes all peers read alike. */
const entry: fc.Arbitrary<JsonObject> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      ...common,
      type: fc.constant("file"),
      path: hostilePath,
      mode,
      xattrs,
      content: fc.constantFrom("", "1", "22", "y".repeat(600)),
    }),
  },
  // No set-gid: what is made in such a directory takes its group from it, with every peer.
  {
    weight: 3,
    arbitrary: fc.record({
      ...common,
      type: fc.constant("dir"),
      path: hostilePath.map((name) => `${name}/`),
      mode: fc.constantFrom("0755", "0700", "1777"),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      ...common,
      type: fc.constant("symlink"),
      path: hostilePath,
      linkname: target,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      ...common,
      type: fc.constant("hardlink"),
      path: hostilePath,
      linkname: path,
      mode,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ ...common, type: fc.constant("fifo"), path: hostilePath, mode }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      ...common,
      type: fc.constant("char"),
      path: hostilePath,
      mode,
      devmajor: fc.constantFrom(1, 200),
      devminor: fc.constantFrom(3, 70_000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(".wh.a", "a/.wh.b", "a/.wh..wh..opq")
      .map((name) => ({ type: "file", path: name })),
  },
);

/** An image of one layer. */
export const randomArchive: fc.Arbitrary<LayerCase> = fc
  .tuple(fc.array(entry, { minLength: 1, maxLength: 9 }), fc.constantFrom("none", "gzip"))
  .map(([entries, compression]) => ({
    name: "generated",
    file: "generated",
    fields: { layers: [{ compression, entries }], expect: { tree: {}, open: true } },
  }));

/** What an archive has that peers are known to treat in other ways. */
export interface Traits {
  readonly climbs: boolean;
  readonly throughLink: boolean;
  readonly replacesDirectory: boolean;
  readonly hardLinks: boolean;
  readonly whiteouts: boolean;
  readonly impliedParents: boolean;
}

export function traitsOf({ fields }: LayerCase): Traits {
  const entries = listAt(fields, "layers")
    .flatMap((layer) => (isObject(layer) ? listAt(layer, "entries") : []))
    .filter(isObject);
  const named = entries.map((fieldsOfEntry) => ({
    type: text(fieldsOfEntry["type"] ?? ""),
    parts: partsOf(fieldsOfEntry["path"]),
    link: partsOf(fieldsOfEntry["linkname"]),
  }));
  const names = (wanted: (type: string) => boolean): ReadonlySet<string> =>
    new Set(named.filter(({ type }) => wanted(type)).map(({ parts }) => parts.join("/")));
  const links = names((type) => type === "symlink" || type === "hardlink");
  const others = names((type) => type !== "dir");
  const explicit = names((type) => type === "dir");
  const directories = new Set([...explicit, ...named.flatMap(({ parts }) => above(parts))]);
  const ways = named.flatMap(({ type, parts, link }) => [
    ...above(parts),
    ...(type === "hardlink" ? above(link) : []),
  ]);
  return {
    climbs: named.some(({ parts }) => parts.includes("..")),
    throughLink: ways.some((way) => links.has(way)),
    replacesDirectory: [...others].some((name) => directories.has(name)),
    hardLinks: named.some(({ type }) => type === "hardlink"),
    impliedParents: ways.some((way) => !explicit.has(way)),
    whiteouts: named.some(({ parts }) => parts.at(-1)?.startsWith(".wh.") === true),
  };
}

function partsOf(value: Json | undefined): readonly string[] {
  return text(value ?? "")
    .split("/")
    .filter((part) => part !== "" && part !== ".");
}

function above(parts: readonly string[]): readonly string[] {
  return parts.slice(1).map((_, at) => parts.slice(0, at + 1).join("/"));
}
