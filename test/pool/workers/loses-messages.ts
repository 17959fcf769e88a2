import { parentPort, workerData } from "node:worker_threads";
import { tellThread } from "../../../src/pool/thread-number.ts";
import { workerStatus } from "../../../src/pool/worker-status.ts";

tellThread(workerStatus(workerData));

parentPort?.on("message", () => undefined);
