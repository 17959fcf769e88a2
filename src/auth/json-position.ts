/** Where JSON stops being JSON; both count from 1. */
export interface TextPosition {
  readonly line: number;
  readonly column: number;
}

type Expected = "value" | "value or ]" | "key" | "key or }" | "colon" | "comma or close" | "end";

const SPACE = /[ \t\n\r]*/y;
/** The class is all of Unicode but control characters, quote and backslash. */
const STRING = /"(?:[ !#-[\]-\u{10ffff}]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/uy;
const SCALAR = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)/y;

/**
 * Finds the first token of a text that no JSON can have there (RFC 8259). For error messages: `JSON.parse` quotes the
 * text in its own, and gives a position for some errors only.
 *
 * @returns the end of the text when that comes too early
 */
export function jsonErrorPosition(text: string): TextPosition {
  const before = text.slice(0, errorOffset(text)).split("\n");
  return { line: before.length, column: (before.at(-1) ?? "").length + 1 };
}

function errorOffset(text: string): number {
  const open: ("{" | "[")[] = [];
  let expected: Expected = "value";
  let at = 0;
  const take = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    if (!pattern.test(text)) return false;
    at = pattern.lastIndex;
    return true;
  };
  const afterValue = (): Expected => (open.length === 0 ? "end" : "comma or close");
  for (;;) {
    take(SPACE);
    const character = text[at] ?? "";
    if (closes(character, expected, open.at(-1))) {
      at += 1;
      open.pop();
      expected = afterValue();
    } else if (expected === "comma or close" && character === ",") {
      at += 1;
      expected = open.at(-1) === "{" ? "key" : "value";
    } else if (expected === "colon" && character === ":") {
      at += 1;
      expected = "value";
    } else if (expected.startsWith("key") && take(STRING)) {
      expected = "colon";
    } else if (expected.startsWith("value") && (character === "{" || character === "[")) {
      at += 1;
      open.push(character);
      expected = character === "{" ? "key or }" : "value or ]";
    } else if (expected.startsWith("value") && (take(STRING) || take(SCALAR))) {
      expected = afterValue();
    } else {
      return at;
    }
  }
}

function closes(character: string, expected: Expected, opened: "{" | "[" | undefined): boolean {
  if (character === "}") {
    return opened === "{" && (expected === "key or }" || expected === "comma or close");
  }
  if (character !== "]") return false;
  return opened === "[" && (expected === "value or ]" || expected === "comma or close");
}
