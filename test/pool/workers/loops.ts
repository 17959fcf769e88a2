import { parentPort, workerData } from "node:worker_threads";
import { tellThread } from "../../../src/pool/thread-number.ts";
import { workerStatus } from "../../../src/pool/worker-status.ts";

const status = workerStatus(workerData);
tellThread(status);

parentPort?.on("message", ({ job }: { readonly job: number }) => {
  Atomics.store(status.job, 0, job);
  for (;;);
});
