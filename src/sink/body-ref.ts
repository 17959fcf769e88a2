import type { BodyRef } from "./sink.ts";

/*
 * A body as one number: the plan that placed it (a layer fetched twice has two), its number within the plan, and whether it
 * has holes. The number is what its sink makes of it: the name of its file, or its first block in the layer's stream.
 *
 *     plan · 2^33 + number · 2 + holes        plan < 2^20, number < 2^32: below 2^53
 */
const PLAN_SPAN = 2 ** 33;

export function firstBodyOf(plan: number): BodyRef {
  return plan * PLAN_SPAN;
}

export function bodyRef(firstBody: BodyRef, number: number, holes: boolean): BodyRef {
  return firstBody + number * 2 + (holes ? 1 : 0);
}

export function planOf(body: BodyRef): number {
  return Math.floor(body / PLAN_SPAN);
}

export function numberOf(body: BodyRef): number {
  return Math.floor((body % PLAN_SPAN) / 2);
}

/** It takes less room than its size says. */
export function hasHoles(body: BodyRef): boolean {
  return body % 2 === 1;
}
