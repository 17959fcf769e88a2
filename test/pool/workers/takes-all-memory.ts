import { parentPort } from "node:worker_threads";

const kept: object[] = [];

parentPort?.on("message", () => {
  for (;;) kept.push({ at: kept.length });
});
