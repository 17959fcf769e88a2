import { ImportError } from "../../errors.ts";
import { DEFAULT_LIMITS } from "../../limits.ts";
import type { HashName } from "./directory-plan.ts";

const MOST_SUSPECTS = 100_000;

/** Looks for names that a directory has twice, in 8 bytes a name. */
export interface NameWatch {
  readonly begin: () => void;
  readonly add: (block: Buffer, start: number, end: number) => void;
  /** @param again all names once more; read only when some hashes are equal @returns each of them once, its own copy */
  readonly duplicates: (again: () => Iterable<Buffer>) => readonly Buffer[];
}

/**
 * Names whose hashes are unique are unique; only the others are compared. Attack: names made to collide cost one more
 * reading, and comparing ends after so many of them that only an attacker has them.
 */
export function createNameWatch(hash: HashName): NameWatch {
  let keys = new Float64Array(1024);
  let count = 0;

  /** 52 bits of 63. */
  const keyOf = (block: Buffer, start: number, end: number): number => {
    const { major, minor } = hash(block, start, end);
    return (major >>> 1) * 2 ** 21 + (minor >>> 11);
  };

  return {
    begin: () => {
      count = 0;
    },
    add: (block, start, end) => {
      if (count >= DEFAULT_LIMITS.entries) {
        throw new ImportError("ERR_LIMIT_EXCEEDED", `a directory has more than ${count} names`, {
          details: { limit: DEFAULT_LIMITS.entries },
        });
      }
      if (count === keys.length) {
        const larger = new Float64Array(keys.length * 2);
        larger.set(keys);
        keys = larger;
      }
      keys[count++] = keyOf(block, start, end);
    },
    duplicates: (again) => {
      const sorted = keys.subarray(0, count);
      sorted.sort();
      const suspects = new Set<number>();
      for (let at = 1; at < count; at++) {
        if (sorted[at] === sorted[at - 1]) suspects.add(sorted[at]!);
      }
      if (suspects.size === 0) return [];
      const seen = new Set<string>();
      const twice = new Set<string>();
      for (const name of again()) {
        if (!suspects.has(keyOf(name, 0, name.length))) continue;
        const text = name.toString("latin1");
        if (seen.has(text)) twice.add(text);
        seen.add(text);
        if (seen.size + twice.size >= MOST_SUSPECTS) break;
      }
      return [...twice].map((text) => Buffer.from(text, "latin1"));
    },
  };
}
