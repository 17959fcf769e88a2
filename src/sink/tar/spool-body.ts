import type { BodyRef } from "../sink.ts";

/*
 * Where a body of the tar sink waits: the plan that placed it (a layer fetched twice has two), hence its spool file, and the
 * place in it, in bytes. Of a body without holes that is its first byte; of one with holes, that of its map:
 *
 *     plan · 2^42 + offset · 2 + holes        plan < 2^11, offset < 2^41: below 2^53
 *
 * A map is a run of float64, little-endian: the offset of the first data byte, the number of pairs, and for each pair the
 * bytes of a hole and those of the data behind it. The data of all pairs lie one after the other; a last hole reaches to
 * the end of the file.
 */
const PLAN_SPAN = 2 ** 42;
export const MOST_PLANS: number = 2 ** 11;
export const MOST_SPOOL_BYTES: number = 2 ** 41;
export const NUMBER_BYTES = 8;

export function spoolBody(plan: number, offset: number, holes: boolean): BodyRef {
  return plan * PLAN_SPAN + offset * 2 + (holes ? 1 : 0);
}

export function spoolPlanOf(body: BodyRef): number {
  return Math.floor(body / PLAN_SPAN);
}

export function spoolOffsetOf(body: BodyRef): number {
  return Math.floor((body % PLAN_SPAN) / 2);
}

export function isMapped(body: BodyRef): boolean {
  return body % 2 === 1;
}

export function spoolPath(bodiesPath: string, plan: number): string {
  return `${bodiesPath}/${plan}`;
}
