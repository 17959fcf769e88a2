import { mutateBytes } from "./mutate-bytes.ts";
import type { Random } from "./random.ts";

/** A document whose objects may have a key twice, and whose scalars are text that may be no JSON. */
type Node =
  | { readonly kind: "object"; readonly pairs: [key: string, value: Node][] }
  | { readonly kind: "list"; readonly items: Node[] }
  | { readonly kind: "text"; text: string };

const DEEP = 30_000;
const SCALARS = [
  "null",
  "true",
  "0",
  "-0",
  "-1",
  "1.0",
  "1e0",
  "1e999",
  "1.5",
  "2147483648",
  "9007199254740993",
  "18446744073709551616",
  "01",
  "NaN",
  '""',
  '" "',
  '"a"',
  '"\\u0000"',
  '"\\ud800"',
  '"\\u001b[2J"',
  '"../../x"',
  `"${"x".repeat(70_000)}"`,
  "[]",
  "{}",
  "[[]]",
  '{"":null}',
  '{"__proto__":{"x":1}}',
] as const;
const KEYS = ["", "__proto__", "constructor", "toString", "length", "0"] as const;

export interface JsonWords {
  /** Keys that mean something in this kind of document. */
  readonly keys: readonly string[];
  /** Values that do, as JSON. */
  readonly values: readonly string[];
}

type Words = JsonWords & { readonly spare: Node | undefined };

/** Changes a document's values, keys and order; some inputs, and what is no JSON, byte by byte. */
export function mutateJson(
  input: Uint8Array,
  random: Random,
  words: JsonWords & { readonly donor: Uint8Array },
): Buffer {
  const root = random.oneIn(6) ? undefined : parsed(input);
  if (root === undefined) {
    const tokens = [...words.keys, ...words.values, "[", "]", "{", "}", ",", ":", '"', "\\u0000"];
    const bytes = tokens.map((token) => Buffer.from(token));
    return mutateBytes(input, random, { words: bytes, donor: words.donor, mostBytes: 200_000 });
  }
  const spare = parsed(words.donor);
  for (let left = 1 + random.skewedBelow(5); left > 0; left--)
    changeOnce(root, random, { ...words, spare });
  const text = written(root);
  if (random.oneIn(60)) return Buffer.from(nested(text, random));
  return Buffer.from(
    random.oneIn(30) ? `${random.pick(["\ufeff", " ", "\n\t", "\0"])}${text}` : text,
  );
}

function parsed(input: Uint8Array): Node | undefined {
  try {
    return nodeOf(JSON.parse(Buffer.from(input).toString("utf8")), 0);
  } catch {
    return undefined;
  }
}

/** Deeper than anybody means it: left as text. */
const DEEPEST_NODE = 200;

function nodeOf(value: unknown, depth: number): Node {
  if (depth > DEEPEST_NODE) throw new RangeError("too deep to be taken apart");
  if (Array.isArray(value))
    return { kind: "list", items: value.map((item) => nodeOf(item, depth + 1)) };
  if (typeof value !== "object" || value === null) {
    return { kind: "text", text: JSON.stringify(value) };
  }
  const pairs = Object.entries(value).map(([key, one]): [string, Node] => [
    key,
    nodeOf(one, depth + 1),
  ]);
  return { kind: "object", pairs };
}

function written(node: Node): string {
  if (node.kind === "text") return node.text;
  if (node.kind === "list") return `[${node.items.map(written).join(",")}]`;
  return `{${node.pairs.map(([key, value]) => `${keyText(key)}:${written(value)}`).join(",")}}`;
}

/** A key that was given escapes by `escaped` has its quotes already. */
function keyText(key: string): string {
  return key.startsWith('"') ? key : JSON.stringify(key);
}

function containersOf(node: Node): Node[] {
  const found: Node[] = node.kind === "text" ? [] : [node];
  for (const one of found) {
    const below =
      one.kind === "object"
        ? one.pairs.map(([, value]) => value)
        : one.kind === "list"
          ? one.items
          : [];
    found.push(...below.filter(({ kind }) => kind !== "text"));
  }
  return found;
}

function changeOnce(root: Node, random: Random, words: Words): void {
  const containers = containersOf(root);
  // The outermost object decides most.
  const container = random.oneIn(3) ? root : containers[random.below(containers.length)];
  if (container?.kind === "list") changeList(container.items, random, words);
  else if (container?.kind === "object") changeObject(container.pairs, random, words);
}

function changeList(items: Node[], random: Random, words: Words): void {
  const at = random.below(items.length + 1);
  const value = newValue(random, words);
  if (random.oneIn(3)) items.splice(at, 1);
  else if (random.oneIn(20)) items.push(...repeated(items[at] ?? value));
  else items.splice(at, random.below(2), random.oneIn(2) ? (items[at] ?? value) : value);
}

/** More than an index or a manifest may have, unless the document became too large by it. */
function repeated(node: Node): readonly Node[] {
  const text = written(node);
  return text.length > 400 ? [] : Array.from({ length: 1100 }, () => ({ kind: "text", text }));
}

function changeObject(pairs: [string, Node][], random: Random, words: Words): void {
  const at = random.below(pairs.length + 1);
  const pair = pairs[at];
  const value = newValue(random, words);
  const key = random.oneIn(5) ? random.pick(KEYS) : random.pick(words.keys);
  if (pair === undefined) {
    pairs.push([key, value]);
    return;
  }
  switch (random.below(6)) {
    case 0:
    case 1:
      pair[1] = value;
      break;
    case 2:
      pairs.splice(at, 1);
      break;
    case 3:
      pairs.splice(random.below(pairs.length + 1), 0, [respelled(pair[0], random), pair[1]]);
      break;
    case 4:
      pair[0] = respelled(pair[0], random);
      break;
    default:
      pairs.splice(at, 0, [key, value]);
  }
}

/** The same key to somebody: other case, escapes, a letter that folds to one of its letters. */
function respelled(key: string, random: Random): string {
  if (key.startsWith('"') || key === "") return key;
  const at = random.below(key.length);
  const code = key.charCodeAt(at).toString(16).padStart(4, "0");
  return random.pick([
    key,
    key.toUpperCase(),
    key.slice(0, at) + key.slice(at, at + 1).toUpperCase() + key.slice(at + 1),
    `"${key.slice(0, at)}\\u${code}${key.slice(at + 1)}"`,
    key.replace("s", "\u017f"),
    key.replace("k", "\u212a"),
    `${key} `,
  ]);
}

function newValue(random: Random, { values, spare }: Words): Node {
  const kinds = spare === undefined ? [] : containersOf(spare);
  // As text: a part of a document must not get inside itself.
  if (kinds.length > 0 && random.oneIn(4))
    return { kind: "text", text: written(random.pick(kinds)) };
  return { kind: "text", text: random.oneIn(2) ? random.pick(SCALARS) : random.pick(values) };
}

function nested(text: string, random: Random): string {
  const [open, close] = random.pick([
    ["[", "]"],
    ['{"a":', "}"],
  ]);
  const deep = `${open.repeat(DEEP)}0${close.repeat(DEEP)}`;
  return text.endsWith("}") && text.length > 2 ? `${text.slice(0, -1)},"deep":${deep}}` : deep;
}
