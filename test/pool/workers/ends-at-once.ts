import { workerData } from "node:worker_threads";
import { ByteExchange } from "../../../src/layer/byte-exchange.ts";
import { threadNumber } from "../../../src/pool/thread-number.ts";
import type { InflateTask } from "../../../src/pool/threaded-stream.ts";

/** Takes a task, and is gone before it has done any of it. */
const task: InflateTask = workerData;
Atomics.store(new ByteExchange(task.memory).thread, 0, threadNumber());
