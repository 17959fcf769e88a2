/**
 * Pretty JSON with keys in alphabetical order. Characters that a terminal would obey or hide (C1 controls, bidirectional
 * overrides) become `\uXXXX`, which reads back as the same text.
 */
export function jsonText(value: unknown, indent = 2): string {
  return (JSON.stringify(value, sortedKeys, indent) ?? "null").replaceAll(
    /[\u007F\p{Cf}\p{Co}\p{Cn}\u0080-\u009F\u2028\u2029]/gu,
    escaped,
  );
}

/** The same in ASCII alone, for a stream of another encoding. */
export function asciiJson(text: string): string {
  return text.replaceAll(/[\u0080-\uFFFF]/g, escaped);
}

function escaped(characters: string): string {
  return Array.from(
    { length: characters.length },
    (_, unit) => `\\u${characters.charCodeAt(unit).toString(16).padStart(4, "0")}`,
  ).join("");
}

function sortedKeys(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value).toSorted(([left], [right]) => (left < right ? -1 : 1)),
  );
}
