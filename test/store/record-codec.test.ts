import fc from "fast-check";
import { expect, test } from "vitest";
import { formatSnapshotRecord, parseSnapshotRecord } from "../../src/store/record-codec.ts";
import type { SnapshotRecord } from "../../src/store/records.ts";
import { FACTS } from "../support/fake-import.ts";

const RECORD: SnapshotRecord = {
  ...FACTS,
  id: "snap_0123456789abcdefghij",
  status: "completed",
  sandboxId: "import_0123456789abcdefghij",
  snapshotUri: "file:///x",
  omissions: ["dev/null"],
};

test("a record comes back as it was written", () => {
  expect(parseSnapshotRecord(formatSnapshotRecord(RECORD))).toEqual(RECORD);
});

test("a field that a later version added does no harm", () => {
  const text = JSON.stringify({ ...RECORD, later: { a: 1 } });
  expect(parseSnapshotRecord(text)).toMatchObject({ id: RECORD.id });
});

test.each([
  ["no JSON", "{"],
  ["no object", "[]"],
  ["no status", JSON.stringify({ ...RECORD, status: undefined })],
  ["an unknown status", JSON.stringify({ ...RECORD, status: "Completed" })],
  ["a negative size", JSON.stringify({ ...RECORD, sizeBytes: -1 })],
  ["a size that is no integer", JSON.stringify({ ...RECORD, rootfsDiskBytes: 1e300 })],
  [
    "a layer without a digest",
    JSON.stringify({ ...RECORD, layers: [{ diffId: "", sizeBytes: 1 }] }),
  ],
  [
    "labels that are no texts",
    JSON.stringify({ ...RECORD, config: { ...RECORD.config, labels: { a: 1 } } }),
  ],
  ["a null", JSON.stringify({ ...RECORD, dockerfile: null })],
])("a record with %s is damaged", (_, text) => {
  expect(parseSnapshotRecord(text)).toBeUndefined();
});

test("damage anywhere gives a record or none, never an exception", () => {
  const bytes = Buffer.from(formatSnapshotRecord(RECORD));
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.nat(255), (offset, value) => {
      const damaged = Buffer.from(bytes);
      damaged[offset] = value;
      const record = parseSnapshotRecord(damaged.toString());
      expect(typeof (record?.id ?? "none")).toBe("string");
    }),
  );
  fc.assert(
    fc.property(fc.json(), (text) => {
      expect(parseSnapshotRecord(text)).toBeUndefined();
    }),
  );
});
