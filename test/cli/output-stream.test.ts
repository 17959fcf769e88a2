import { expect, test } from "vitest";
import { asciiOnly, speaksUnicode } from "../../src/cli/output-stream.ts";

test.each([
  [{}, true],
  [{ LANG: "de_DE.UTF-8" }, true],
  [{ LANG: "C.utf8" }, true],
  [{ LANG: "" }, true],
  [{ LANG: "C" }, false],
  [{ LANG: "POSIX" }, false],
  [{ LANG: "de_DE.ISO-8859-1" }, false],
  [{ LANG: "de_DE.UTF-8", LC_ALL: "C" }, false],
  [{ LANG: "C", LC_CTYPE: "en_US.UTF-8" }, true],
  [{ LANG: "en_US.UTF-8", TERM: "linux" }, false],
  [{ LANG: "en_US.UTF-8", TERM: "dumb" }, false],
])("the environment %j draws Unicode: %s", (env, unicode) => {
  expect(speaksUnicode(env)).toBe(unicode);
});

test("text for a terminal of another encoding names the characters it cannot show", () => {
  expect(asciiOnly("größe 日\u001B[K\n")).toBe("gr\\u{f6}\\u{df}e \\u{65e5}\u001B[K\n");
});
