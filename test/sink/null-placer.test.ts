import { expect, test } from "vitest";
import { createNullPlacer } from "../../src/sink/null-placer.ts";

const ATTRIBUTES = { mode: 0o644, uid: 0, gid: 0, mtimeSeconds: 0, mtimeNanoseconds: 0 };

test("bodies are numbered, and nothing is told of them at the end", () => {
  const placer = createNullPlacer({ kind: "null", layer: 0 });
  placer.begin(3, ATTRIBUTES);
  placer.write(Buffer.from("ab"));
  placer.write(Buffer.from("c"));
  expect(placer.end()).toBe(0);
  placer.begin(8, ATTRIBUTES);
  placer.skip(7);
  placer.write(Buffer.from("d"));
  expect(placer.end()).toBe(1);
  expect(placer.finish()).toEqual({ kind: "null" });
  placer.close();
  placer.close();
});

test.each([
  ["longer", 2],
  ["shorter", 4],
])("a body that is %s than its header says is refused as by every placer", (_what, sizeBytes) => {
  const placer = createNullPlacer({ kind: "null", layer: 3 });
  expect(() => {
    placer.begin(sizeBytes, ATTRIBUTES);
    placer.write(Buffer.from("abc"));
    placer.end();
  }).toThrow(
    expect.objectContaining({ code: "ERR_LAYER_CORRUPT", details: { layer: 4, sizeBytes } }),
  );
});
