import { expect, test } from "vitest";
import { OpenBody } from "../../src/sink/open-body.ts";

test("a body ends when it is as long as its header says, and the next one begins at 0", () => {
  const body = new OpenBody(0);
  body.begin(10);
  expect(body.advance(4)).toBe(0);
  expect(body.advance(6)).toBe(4);
  body.end();
  body.begin(3);
  expect([body.number, body.size, body.position]).toEqual([1, 3, 0]);
});

test("a body longer or shorter than its header says is a broken layer", () => {
  const longer = new OpenBody(1);
  longer.begin(2);
  expect(() => longer.advance(3)).toThrow("body 0 of layer 2 has 3 bytes, its header says 2");
  const shorter = new OpenBody(1);
  shorter.begin(2);
  shorter.advance(1);
  expect(() => shorter.end()).toThrow("body 0 of layer 2 has 1 bytes, its header says 2");
});

test("a caller that begins twice, or goes on without a beginning, has a bug", () => {
  const body = new OpenBody(0);
  expect(() => body.advance(0)).toThrow("no body has begun");
  expect(() => body.end()).toThrow("no body has begun");
  body.begin(0);
  expect(() => body.begin(0)).toThrow("a body begins before the one before has ended");
});
