/** Of this thread: where whoever watches it reads the steps that it takes. */
let steps: Int32Array | undefined;

/** Lets another thread see the progress of this one. @param counter one element, in shared memory; it wraps around */
export function showProgressIn(counter: Int32Array): void {
  steps = counter;
}

/**
 * To be called now and then by whatever may run for more than seconds: each write, each name of a tree. Whoever takes
 * none for long, and computes meanwhile, hangs in a loop.
 */
export function countProgress(): void {
  if (steps !== undefined) Atomics.add(steps, 0, 1);
}
