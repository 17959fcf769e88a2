import fc from "fast-check";
import { expect, test } from "vitest";
import { looksLikeHtml, parseErrorBody } from "../../src/registry/error-body.ts";

const parse = (text: string): ReturnType<typeof parseErrorBody> =>
  parseErrorBody(Buffer.from(text));

test("the first known code counts, and its message is shown", () => {
  const body = '{"errors":[{"code":"X","message":"x"},{"code":"denied","message":"no"}]}';
  expect(parse(body)).toEqual({ code: "DENIED", message: "no", nested: false });
});

test("a cache's UNKNOWN passes on the innermost code of its detail", () => {
  const inner = { errors: [{ code: "MANIFEST_UNKNOWN", message: "gone" }] };
  const body = { errors: [{ code: "UNKNOWN", message: "unknown", detail: inner }] };
  expect(parse(JSON.stringify(body))).toEqual({
    code: "MANIFEST_UNKNOWN",
    message: "gone",
    nested: true,
  });
});

test.each([
  ['{"errors":[{"code":"QUOTA","message":"too much"}]}', "QUOTA: too much"],
  ['{"errors":[{"code":"QUOTA"}]}', "QUOTA"],
  ['{"errors":[{"message":"too much"}]}', "too much"],
  ['{"message":"m"}', "m"],
  ['{"error":"e"}', "e"],
  ['{"error":"invalid_client","error_description":"expired"}', "expired"],
  ['{"details":"wrong password"}', "wrong password"],
  ["<html><head><title> 502 Bad\nGateway </title></head></html>", "502 Bad Gateway"],
  ["<html><body>secret page</body></html>", "an HTML page"],
  ["<Error><Code>AccessDenied</Code><Message>expired</Message></Error>", "AccessDenied: expired"],
  ["plain words\n", "plain words"],
  ["", ""],
])("%s says %s", (body, message) => {
  expect(parse(body)).toMatchObject({ code: undefined, message });
});

test("a link in a message loses its query: it may be a signed URL", () => {
  const { message } = parse('{"message":"see https://cdn.example/x?X-Sig=fake-signature now"}');
  expect(message).toBe("see https://cdn.example/x?… now");
});

test("any bytes give one short line without control characters", () => {
  const nested = fc
    .json({ maxDepth: 6 })
    .map((text) => `{"errors":[{"code":"UNKNOWN","detail":${text}}]}`);
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 2000 }),
    fc.oneof(nested, fc.json()).map((text) => Buffer.from(text)),
  );
  fc.assert(
    fc.property(body, (bytes) => {
      const { message } = parseErrorBody(bytes);
      expect(message.length).toBeLessThanOrEqual(301);
      expect(message).not.toMatch(/[\p{C}]/u);
    }),
  );
});

test("errors nested a thousand deep are read as far as anybody means them", () => {
  const body = `${'{"errors":[{"code":"UNKNOWN","detail":'.repeat(1000)}{}${"}]}".repeat(1000)}`;
  expect(parse(body).code).toBeUndefined();
});

test("a page is known behind a prolog and comments, and nothing else is one", () => {
  const prolog = '\ufeff<?xml version="1.0"?>\n<!-- a\nb --> <html xmlns="x">';
  expect(looksLikeHtml(Buffer.from(prolog))).toBe(true);
  expect(looksLikeHtml(Buffer.from('<?xml version="1.0"?><Error>'))).toBe(false);
  expect(looksLikeHtml(Buffer.from(`${"<!---->".repeat(200)}<html>`))).toBe(false);
});

test("Google's error object is read, and members in any case", () => {
  expect(parse('{"error":{"code":403,"message":"no permission"}}').message).toBe("no permission");
  expect(parse('{"Message":"Forbidden"}').message).toBe("Forbidden");
});

test("an HTML page is known by its start", () => {
  expect(looksLikeHtml(Buffer.from("  <!DOCTYPE html><html>"))).toBe(true);
  expect(looksLikeHtml(Buffer.from("\u{feff}<HTML lang=en>"))).toBe(true);
  expect(looksLikeHtml(Buffer.from('{"a":"<html>"}'))).toBe(false);
});
