import type { Random } from "../../fuzz/random.ts";

/** When a process is to be killed. */
export type Aim =
  /** So long after its start. */
  | { readonly by: "time"; readonly afterMs: number }
  /** So long after it has printed a line. */
  | { readonly by: "line"; readonly line: RegExp; readonly afterMs: number }
  /** So long after its so-manyth change of the store's directories. */
  | { readonly by: "change"; readonly number: number; readonly afterMs: number };

/** What is known of an operation's course. */
export interface Course {
  readonly durationMs: number;
  readonly changes: number;
  /** From each line to the next. */
  readonly lineMs: ReadonlyMap<string, number>;
}

/** What operations took that were left alone or got far, so that moments can be chosen over all of their course. */
export class Courses {
  readonly #known = new Map<
    string,
    { durationMs: number; changes: number; lineMs: Map<string, number> }
  >();

  /** @param lines what was printed, and when (ms after the start) */
  learn(
    kind: string,
    course: Pick<Course, "durationMs" | "changes">,
    lines: readonly (readonly [RegExp, number])[],
  ): void {
    const known = this.#known.get(kind) ?? { ...FIRST_GUESS, lineMs: new Map<string, number>() };
    known.durationMs += (course.durationMs - known.durationMs) / 4;
    known.changes = Math.max(course.changes, known.changes - 1);
    for (const [index, [line, atMs]] of lines.entries()) {
      const nextMs = lines[index + 1]?.[1] ?? course.durationMs;
      const before = known.lineMs.get(line.source) ?? nextMs - atMs;
      known.lineMs.set(line.source, before + (nextMs - atMs - before) / 4);
    }
    this.#known.set(kind, known);
  }

  /** Which of its lines, changes or moments, and how far behind it, follows from the random numbers alone. */
  aim(kind: string, lines: readonly RegExp[], random: Random): Aim {
    const known = this.#known.get(kind);
    const { durationMs, changes } = known ?? FIRST_GUESS;
    const share = random.below(1000) / 1000;
    const choice = random.below(10);
    const line = lines[random.below(lines.length)];
    const number = 1 + random.below(Math.max(1, Math.ceil(changes)));
    if (choice < 2) return { by: "time", afterMs: share * durationMs * 1.05 };
    if (choice < 6 && line !== undefined) {
      const lineMs = known?.lineMs.get(line.source) ?? 20;
      return { by: "line", line, afterMs: share * lineMs * 1.1 };
    }
    return { by: "change", number, afterMs: share ** 3 * 4 };
  }
}

const FIRST_GUESS = { durationMs: 250, changes: 12 };

export function aimText(aim: Aim): string {
  const after = `${aim.afterMs.toFixed(1)} ms after`;
  if (aim.by === "time") return `${after} its start`;
  return aim.by === "line"
    ? `${after} it printed ${aim.line.source}`
    : `${after} change ${aim.number} of the store`;
}
