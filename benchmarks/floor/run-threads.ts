import { Worker } from "node:worker_threads";
import type { LayerInRegistry } from "../registry/read-image.ts";
import { planFloor, type FloorOptions, type ThreadWork } from "./plan-floor.ts";

/** Writes the plain bytes of each layer to `layer-N` in `outputPath`. @throws Error when a digest or a diffId does not hold */
export async function runFloor(
  layers: readonly LayerInRegistry[],
  options: FloorOptions,
): Promise<void> {
  const work = planFloor(layers, options).filter(({ tasks }) => tasks.length > 0);
  await Promise.all(work.map(runThread));
}

function runThread({ tasks, ports }: ThreadWork): Promise<void> {
  return new Promise((settle, fail) => {
    const options = { workerData: { tasks }, transferList: [...ports] };
    const worker = new Worker(new URL("floor-worker.ts", import.meta.url), options);
    worker.on("error", fail);
    worker.on("exit", (code) => {
      if (code === 0) settle();
      else fail(new Error(`a thread of the floor ended with ${code}`));
    });
  });
}
