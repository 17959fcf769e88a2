import { parentPort, workerData } from "node:worker_threads";
import { tellThread } from "../../../src/pool/thread-number.ts";
import { workerStatus } from "../../../src/pool/worker-status.ts";

const status = workerStatus(workerData);
tellThread(status);
const nobody = new Int32Array(new SharedArrayBuffer(4));

parentPort?.on("message", ({ job }: { readonly job: number }) => {
  Atomics.store(status.job, 0, job);
  // As in a write to a disk that does not answer.
  Atomics.wait(nobody, 0, 0, 1500);
  Atomics.add(status.handled, 0, 1);
  parentPort?.postMessage({ type: "task-done", job, result: "slow" });
});
