import { dirname } from "node:path";
import {
  descriptorArgument,
  parseTrace,
  stringArgument,
  type TracedCall,
} from "../strace/trace-lines.ts";
import type { FaultPlace, FaultScenario } from "./fault-scenario.ts";
import type { FaultWorld } from "./fault-world.ts";
import { MUTATING_CALLS, mutates } from "./mutating-calls.ts";

/**
 * Before the `when`th call of `syscall` on `path`. strace counts the calls of each thread for itself, and of those that
 * match `-P path` only: so what Node does for itself, and what other threads do elsewhere, does not shift the count.
 */
export interface FaultPoint {
  readonly syscall: string;
  /** A path as the call has it, or that of a descriptor it has. */
  readonly path: string;
  readonly when: number;
  /** What the call is, for people, and to see that the right one was hit. */
  readonly what: string;
}

/** Runs the command once and lists the system calls that change something in the place, in their order. */
export async function recordPoints(
  world: FaultWorld,
  { command }: FaultScenario,
): Promise<readonly FaultPoint[]> {
  const names = MUTATING_CALLS.map((name) => `?${name}`).join(",");
  const { exitCode, stderr, trace } = await world.run(command, [
    "-e",
    `trace=${names}`,
    "-s",
    "4096",
  ]);
  if (exitCode !== 0) throw new Error(`tl ${command.join(" ")}: ${stderr}`);
  return pointsOf(trace, world.place);
}

/** Names by way of a descriptor: its number depends on which thread was faster. */
const BY_DESCRIPTOR = /^\/proc\/self\/fd\/\d+\//;
const ANY_DESCRIPTOR = "/proc/self/fd/N/";
const DESCRIPTORS = Array.from({ length: 64 }, (_, number) => number);

/** All that `-P` has to be given for the path of a point. */
export function pathsToMatch(path: string): readonly string[] {
  if (!path.startsWith(ANY_DESCRIPTOR)) return [path];
  const name = path.slice(ANY_DESCRIPTOR.length);
  return DESCRIPTORS.map((number) => `/proc/self/fd/${number}/${name}`);
}

/** The points of a trace (`strace -f -y`). */
export function pointsOf(trace: string, place: FaultPlace): readonly FaultPoint[] {
  const calls = parseTrace(trace);
  const counts = new Map<string, number>();
  return calls.flatMap((call) => {
    for (const path of new Set(pathsOf(call))) {
      const key = keyOf(call, path);
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    const path = placedPath(call, place);
    if (path === undefined || !mutates(call.name, call.args)) return [];
    const when = counts.get(keyOf(call, path)) ?? 0;
    const what = describeCall(call, place);
    return [{ syscall: call.name, path, when, what }];
  });
}

function keyOf({ pid, name }: TracedCall, path: string): string {
  return `${pid} ${name} ${path}`;
}

/** What strace compares with `-P`: descriptors' paths, and names as they are given. */
function pathsOf(call: TracedCall): readonly string[] {
  const isData = /write|send/.test(call.name);
  return call.args.flatMap((argument) => {
    const path = descriptorArgument(argument)?.path ?? (isData ? undefined : nameOf(argument));
    return path === undefined ? [] : [path];
  });
}

function nameOf(argument: string): string | undefined {
  if (argument.endsWith("...")) return undefined;
  return stringArgument(argument)?.replace(BY_DESCRIPTOR, ANY_DESCRIPTOR);
}

/** The first path that lies in the place; names by way of a descriptor are relative to what strace says it is. */
function placedPath(call: TracedCall, place: FaultPlace): string | undefined {
  const root = dirname(place.home);
  const isInside = (path: string): boolean => path === root || path.startsWith(`${root}/`);
  const paths = pathsOf(call);
  return paths.find(isInside) ?? paths.find((path) => path.startsWith(ANY_DESCRIPTOR));
}

/** Name, paths and flags; without the numbers of descriptors, and what is written. */
export function describeCall(call: Pick<TracedCall, "name" | "args">, place: FaultPlace): string {
  const isData = /write|send/.test(call.name);
  const words = call.args.flatMap((argument) => {
    const path = descriptorArgument(argument)?.path;
    if (path !== undefined) return argument.startsWith("AT_FDCWD") ? [] : [path];
    if (argument.startsWith('"')) return isData ? [] : [argument];
    return /^[A-Z_|\d]*[A-Z][A-Z_|\d]*$/.test(argument) ? [argument] : [];
  });
  const text = [call.name, ...words].join(" ").replaceAll(`${dirname(place.home)}/`, "");
  return text.replaceAll(new RegExp(BY_DESCRIPTOR.source.slice(1), "g"), ANY_DESCRIPTOR);
}

/**
 * Of writes that follow each other in one file, nothing else in between, the first, a middle and the last one: what a
 * page of a database or of an image holds makes no difference to what comes after a crash.
 */
export function withoutRepetitions(points: readonly FaultPoint[]): readonly FaultPoint[] {
  const kept: FaultPoint[] = [];
  for (let at = 0; at < points.length;) {
    const [first] = points.slice(at);
    if (first === undefined) break;
    let end = at + 1;
    while (/write/.test(first.syscall) && points[end]?.what === first.what) end += 1;
    const chosen = new Set([at, Math.floor((at + end - 1) / 2), end - 1]);
    kept.push(...points.filter((_, index) => chosen.has(index)));
    at = end;
  }
  return kept;
}

/** Each `every`th of them, from another one on for another seed. */
export function sampled<T>(items: readonly T[], every: number, seed: number): readonly T[] {
  return items.filter((_, index) => (index + seed) % every === 0);
}
