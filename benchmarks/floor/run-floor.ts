import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { readImage } from "../registry/read-image.ts";
import { runFloor } from "./run-threads.ts";

/**
 * The least that an import can be made of: pull, SHA-256, inflate, SHA-256, one sequential write of the same bytes, layers
 * spread over the cores of one process. No archive is read, no tree is built, no file system laid out, nothing synced.
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    output: { type: "string" },
    blobs: { type: "string" },
    threads: { type: "string", default: String(availableParallelism()) },
    split: { type: "boolean", default: false },
  },
});
const [reference] = positionals;
if (reference === undefined || values.output === undefined) throw new Error("REF --output DIR");
const { layers } = await readImage(reference);
await runFloor(layers, {
  threads: Number(values.threads),
  split: values.split,
  blobsPath: values.blobs,
  outputPath: values.output,
});
