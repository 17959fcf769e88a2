import { ImportError, printable } from "../errors.ts";
import { limitDetails, raiseLimit, type Limits } from "../limits.ts";

/** An object as parsed: every value still unknown. */
export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Bytes that must be one JSON object. Neither the bytes nor the engine's own message are shown: the bytes may be
 * anything, a file that a link in a layout led to included.
 * @throws ImportError ERR_MANIFEST_INVALID
 */
export function parseJsonObject(bytes: Uint8Array, what: string): JsonObject {
  if (bytes.length === 0) throw invalidDocument(what, "is empty");
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8"));
  } catch {
    throw invalidDocument(what, "is not JSON");
  }
  if (!isObject(value)) throw invalidDocument(what, "is no JSON object");
  return value;
}

/**
 * Attack: `{"layers": […good…], "layers": […bad…]}` has one digest and two readings, since parsers differ in which
 * one wins; Go's also takes `Layers` for `layers`. So the keys that decide must stand there once, in any case (LAY-2).
 * @param bytes parsed before, so valid JSON
 * @throws ImportError ERR_MANIFEST_INVALID
 */
export function refuseTwice(bytes: Uint8Array, keys: readonly string[], what: string): void {
  const seen = new Set<string>();
  for (const key of topLevelKeys(Buffer.from(bytes).toString("utf8"))) {
    const folded = foldedKey(key);
    if (seen.has(folded) && keys.some((it) => foldedKey(it) === folded)) {
      throw invalidDocument(what, `has "${printable(key)}" twice`);
    }
    seen.add(folded);
  }
}

/** The keys that are read, by what Go folds them to. */
export type KeySpellings = ReadonlyMap<string, string>;

export function keySpellings(keys: readonly string[]): KeySpellings {
  return new Map(keys.map((key) => [foldedKey(key), key]));
}

/**
 * Attack: a layer with a `Digest` beside its `digest`. Go takes both for the same key and the last one counts, so its
 * readers and this one would see two images under one digest. No honest document has a key in another spelling.
 * @throws ImportError ERR_MANIFEST_INVALID
 */
export function refuseRespelled(object: JsonObject, keys: KeySpellings, what: string): void {
  for (const key of Object.keys(object)) {
    const meant = keys.get(foldedKey(key));
    if (meant === undefined || meant === key) continue;
    throw invalidDocument(what, `has "${printable(key)}", which other readers take for "${meant}"`);
  }
}

/** What Go takes for the same key (encoding/json): the case does not matter, and the long s (U+017F) is an s. */
function foldedKey(key: string): string {
  return key.replaceAll("\u017f", "s").toLowerCase();
}

/** The keys of the outermost object, repeated ones too, escapes undone. By hand: a regular expression would recurse. */
function* topLevelKeys(json: string): Generator<string> {
  let depth = 0;
  let lastText = "";
  for (let at = 0; at < json.length; at += 1) {
    const character = json[at];
    if (character === '"') {
      const end = endOfText(json, at);
      lastText = json.slice(at, end + 1);
      at = end;
    } else if (character === "{" || character === "[") depth += 1;
    else if (character === "}" || character === "]") depth -= 1;
    else if (character === ":" && depth === 1) yield String(JSON.parse(lastText));
  }
}

/** Where the text that begins at `start` has its closing quote. */
function endOfText(json: string, start: number): number {
  let at = start + 1;
  while (at < json.length && json[at] !== '"') at += json[at] === "\\" ? 2 : 1;
  return at;
}

export function invalidDocument(what: string, why: string): ImportError {
  return new ImportError("ERR_MANIFEST_INVALID", `${what} ${why}`, {
    hint: "The image was pushed broken, or something in between changes it; ask its publisher to push it again.",
  });
}

/** A document that is longer than its limit. @param value its bytes, as far as they are known */
export function documentTooLong(
  what: string,
  limits: Limits,
  { limit, value }: { readonly limit: "manifestBytes" | "configBytes"; readonly value: number },
): ImportError {
  return new ImportError("ERR_MANIFEST_INVALID", `${what} has more than ${limits[limit]} bytes`, {
    hint: raiseLimit(limit),
    details: limitDetails(limit, value, limits),
  });
}

/** `null` and absent are the same, as Go writes empty maps and lists. @throws ImportError ERR_MANIFEST_INVALID */
export function optionalObject(parent: JsonObject, key: string, what: string): JsonObject {
  const value = parent[key] ?? {};
  if (isObject(value)) return value;
  throw invalidDocument(what, `has a "${key}" that is no object`);
}

/** @throws ImportError ERR_MANIFEST_INVALID */
export function optionalList(parent: JsonObject, key: string, what: string): readonly unknown[] {
  const value = parent[key] ?? [];
  if (Array.isArray(value)) return value;
  throw invalidDocument(what, `has a "${key}" that is no list`);
}

/** @returns `""` for what is absent or `null`. @throws ImportError ERR_MANIFEST_INVALID */
export function optionalText(parent: JsonObject, key: string, what: string): string {
  const value = parent[key] ?? "";
  if (typeof value === "string") return value;
  throw invalidDocument(what, `has a "${key}" that is no text`);
}

/** @throws ImportError ERR_MANIFEST_INVALID */
export function optionalTexts(parent: JsonObject, key: string, what: string): readonly string[] {
  return optionalList(parent, key, what).map((value) => {
    if (typeof value === "string") return value;
    throw invalidDocument(what, `has a "${key}" with an element that is no text`);
  });
}

/** The values that are text: for annotations, which decide nothing and may hold anything. */
export function textEntries(value: unknown): Readonly<Record<string, string>> {
  if (!isObject(value)) return {};
  return Object.fromEntries(
    Object.entries(value).filter(
      (entry): entry is [string, string] => typeof entry[1] === "string",
    ),
  );
}
