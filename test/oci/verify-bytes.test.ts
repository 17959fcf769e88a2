import { expect, test } from "vitest";
import { digestOf, verifyBytes, verifyDigest } from "../../src/oci/verify-bytes.ts";
import { importErrorOf } from "../support/import-error.ts";

const BYTES = Buffer.from("abc");

test.each(["sha256", "sha384", "sha512"] as const)("bytes are verified with %s", (algorithm) => {
  const digest = digestOf(BYTES, algorithm);
  expect(() => verifyBytes(BYTES, { digest, sizeBytes: 3 }, "the blob")).not.toThrow();
  const error = importErrorOf(() => verifyDigest(Buffer.from("abd"), digest, "the blob"));
  expect(error.code).toBe("ERR_DIGEST_MISMATCH");
  expect(error.message).toContain(`expected ${digest.text}, got ${algorithm}:`);
});

test("the digest of abc is the published one", () => {
  expect(digestOf(BYTES).hex).toBe(
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
});

test("a wrong size is told before a wrong digest", () => {
  const error = importErrorOf(() =>
    verifyBytes(BYTES, { digest: digestOf(BYTES), sizeBytes: 4 }, "the blob"),
  );
  expect(error.code).toBe("ERR_SIZE_MISMATCH");
  expect(error.message).toMatch(/^the blob has 3 bytes, its descriptor says 4/);
});
