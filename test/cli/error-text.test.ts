import { expect, test } from "vitest";
import { errorLines } from "../../src/cli/error-text.ts";
import { UsageError } from "../../src/cli/usage-error.ts";
import { ImportError } from "../../src/index.ts";

const PLAIN = { debug: false, json: false };

test("message and code on the first line, causes that tell more, the hint; no stack", () => {
  const refused = new Error("connect ECONNREFUSED 127.0.0.1:5000");
  const request = new Error("request failed", { cause: refused });
  const error = new ImportError("ERR_NETWORK", "cannot reach localhost:5000: request failed", {
    hint: "Check that the registry runs.",
    cause: request,
  });
  expect(errorLines(error, PLAIN)).toEqual([
    "Error: cannot reach localhost:5000: request failed [ERR_NETWORK]",
    "  Caused by: connect ECONNREFUSED 127.0.0.1:5000",
    "  Check that the registry runs.",
  ]);
});

test("hostile text in message, cause and hint is escaped", () => {
  const error = new ImportError("ERR_IMAGE_NOT_FOUND", "no \u001B]0;x\u0007\nimage", {
    hint: "ask\u009B2J",
    cause: new Error("\u202Ecause"),
  });
  expect(errorLines(error, { debug: true, json: true }).join("\n")).not.toMatch(/[^\P{C}\n]/u);
  expect(errorLines(error, PLAIN)).toEqual([
    String.raw`Error: no \x1b]0;x\x07\x0aimage [ERR_IMAGE_NOT_FOUND]`,
    String.raw`  Caused by: \u{202e}cause`,
    String.raw`  ask\x9b2J`,
  ]);
});

test("an AggregateError of Node tells its parts", () => {
  const cause = new AggregateError([new Error("connect ::1"), new Error("connect 127.0.0.1")]);
  expect(errorLines(new ImportError("ERR_NETWORK", "down", { cause }), PLAIN)).toEqual([
    "Error: down [ERR_NETWORK]",
    "  Caused by: connect ::1; connect 127.0.0.1",
  ]);
});

test("causes that go in a circle end", () => {
  const inner = new Error("inner");
  const outer = new Error("outer", { cause: inner });
  inner.cause = outer;
  expect(errorLines(new ImportError("ERR_NETWORK", "top", { cause: outer }), PLAIN)).toEqual([
    "Error: top [ERR_NETWORK]",
    "  Caused by: outer",
    "  Caused by: inner",
  ]);
});

test("a usage error leads to the help", () => {
  expect(errorLines(new UsageError("unknown option --x", "tl sbx image ls"), PLAIN)).toEqual([
    "Error: unknown option --x",
    "  Run 'tl sbx image ls --help' to see what it takes.",
  ]);
});

test("a bug shows its stack and asks for a report; so does --debug for any error", () => {
  const bug = errorLines(new TypeError("x is not a function"), PLAIN);
  expect(bug[0]).toBe("Error: x is not a function");
  expect(bug[1]).toContain("bug in rootlift");
  expect(bug.some((line) => /^ {4}at /.test(line))).toBe(true);
  const error = new ImportError("ERR_TLS", "bad certificate", { details: { host: "r.io" } });
  const debug = errorLines(error, { debug: true, json: false });
  expect(debug.slice(0, 3)).toEqual(["Error: bad certificate [ERR_TLS]", "", "Debug info:"]);
  expect(debug.join("\n")).toContain("host: 'r.io'");
});

test("with --json the last line is the error as one object", () => {
  const error = new ImportError("ERR_NAME_TAKEN", "taken", {
    hint: "Use --replace.",
    details: { name: "app" },
  });
  expect(errorLines(error, { debug: false, json: true })).toEqual([
    "Error: taken [ERR_NAME_TAKEN]",
    "  Use --replace.",
    '{"error":{"code":"ERR_NAME_TAKEN","details":{"name":"app"},"hint":"Use --replace.","message":"taken"}}',
  ]);
});
