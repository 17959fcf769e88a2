import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { get } from "node:http";
import type { Readable } from "node:stream";
import { workerData } from "node:worker_threads";
import { createGunzip } from "node:zlib";
import { CONTINUE, FINISH, openNativeHandle } from "../../src/layer/native-handle.ts";
import type { DecodeTask, FloorTask } from "./floor-task.ts";
import { fileOutput, requireDigest, RingOutput, takeFromRing } from "./plain-output.ts";

/** One thread of the floor. All its layers are under way at once, as their bytes arrive. */
const { tasks }: { readonly tasks: readonly FloorTask[] } = workerData;
await Promise.all(
  tasks.map((task) => (task.kind === "write" ? takeFromRing(task.from, task.plan) : decode(task))),
);

async function decode({ layer, blobPath, to }: DecodeTask): Promise<void> {
  const source =
    blobPath === undefined
      ? await openBlob(layer.url)
      : createReadStream(blobPath, { highWaterMark: 1 << 20 });
  const output = "port" in to ? new RingOutput(to) : fileOutput(to);
  const inflate = openNativeHandle(createGunzip(), output.buffer);
  if (inflate === undefined) throw new Error("this Node has no synchronous inflate");
  const digest = createHash("sha256");
  const run = (flush: number, chunk: Uint8Array): void => {
    for (let left = chunk.length; ;) {
      inflate.outputAt = output.at;
      inflate.run(flush, chunk, chunk.length - left, left);
      if (inflate.failure !== undefined) throw new Error(inflate.failure.message);
      left = inflate.inputLeft;
      const room = output.buffer.length - output.at;
      const full = inflate.outputLeft === 0;
      output.filled(room - inflate.outputLeft);
      if (!full) return;
    }
  };
  await eachChunk(source, (chunk) => {
    digest.update(chunk);
    run(CONTINUE, chunk);
  });
  run(FINISH, new Uint8Array(0));
  requireDigest(`sha256:${digest.digest("hex")}`, layer.digest);
  output.end();
  inflate.close();
}

function openBlob(url: string): Promise<Readable> {
  return new Promise((settle, fail) => {
    get(url, (response) => {
      if (response.statusCode === 200) settle(response);
      else fail(new Error(`${url} answered ${response.statusCode}`));
    }).on("error", fail);
  });
}

/** Without a promise a chunk, which `for await` would cost. */
function eachChunk(source: Readable, take: (chunk: Buffer) => void): Promise<void> {
  return new Promise((settle, fail) => {
    source.on("data", (chunk: Buffer) => {
      try {
        take(chunk);
      } catch (error) {
        source.destroy(error instanceof Error ? error : new Error(String(error)));
      }
    });
    source.on("end", settle);
    source.on("error", fail);
  });
}
