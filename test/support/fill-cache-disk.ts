/** Prints, as JSON, what becomes of a blob when the disk under the cache (argv[2], 8 MiB) is full before it is whole. */
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { requireDigest } from "../../src/oci/digest.ts";
import { BlobCache } from "../../src/store/blob-cache.ts";

const homePath = process.argv[2] ?? "";
const warnings: string[] = [];
const cache = new BlobCache({
  homePath,
  limitBytes: 2 ** 30,
  onWarning: (message) => warnings.push(message),
});
const digest = requireDigest(`sha256:${"a".repeat(64)}`, "test");
const writer = await cache.write(digest, 1 << 20);
const began = writer !== undefined;
await writer?.write(Buffer.alloc(1 << 19, 1));
try {
  writeFileSync(join(homePath, "others"), Buffer.alloc(16 << 20, 1));
} catch {
  // Now it is full.
}
await writer?.write(Buffer.alloc(1 << 19, 2));
const temporary = readdirSync(join(homePath, "blobs", "incoming"));
await writer?.commit();
rmSync(join(homePath, "others"));
const more = (await cache.write(digest, 1)) !== undefined;
const found = (await cache.read(digest, 1 << 20)) !== undefined;
await cache.close();
const left = readdirSync(join(homePath, "blobs", "incoming"));
process.stdout.write(JSON.stringify({ began, warnings, temporary, more, found, left }));
