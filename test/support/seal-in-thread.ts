import type {
  BodyAttributes,
  BodyPlacer,
  BodyRef,
  SealContext,
  SealTask,
} from "../../src/sink/sink.ts";

/** Places bodies the way a decoder does: in chunks of 1 MiB. */
export function placeWith(
  placer: BodyPlacer,
): (content: Uint8Array, attributes: BodyAttributes) => BodyRef {
  return (content: Uint8Array, attributes: BodyAttributes): BodyRef => {
    placer.begin(content.length, attributes);
    for (let at = 0; at < content.length; at += 1 << 20) {
      placer.write(content.subarray(at, at + (1 << 20)));
    }
    return placer.end();
  };
}

/** Tasks and results cross threads: they must survive `postMessage`. */
export function sealContext(
  runTask: (task: SealTask) => unknown,
  options: { readonly signal?: AbortSignal; readonly fsync?: boolean } = {},
): SealContext {
  return {
    signal: options.signal ?? new AbortController().signal,
    fsync: options.fsync ?? false,
    workers: 2,
    runTasks: async (tasks) => {
      await Promise.resolve();
      return tasks.map((task) => structuredClone(runTask(structuredClone(task))));
    },
  };
}
