import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Finding {
  readonly target: string;
  /** `exception`, `rejection`, `hang`, `memory` or `crash`. */
  readonly kind: string;
  readonly message: string;
  readonly stack: string;
  /** Equal for what is one finding. */
  readonly signature: string;
  readonly lineage: string;
  /** Base64. */
  readonly input: string;
}

/** Of one finding: what looks alike may be two. */
const MOST_INPUTS = 5;

/** Keeps the first inputs of each finding: `<directory>/<target>/<hash>.bin`, and beside it what happened. */
export class FindingStore {
  readonly #directory: string;
  readonly #seed: number;
  readonly #counts = new Map<string, number>();

  constructor(directory: string, seed: number) {
    this.#directory = directory;
    this.#seed = seed;
  }

  /** @returns the file of the input; undefined when there are enough of this finding */
  add(finding: Finding): string | undefined {
    const key = `${finding.target} ${finding.kind} ${finding.signature}`;
    const count = this.#counts.get(key) ?? 0;
    this.#counts.set(key, count + 1);
    if (count >= MOST_INPUTS) return undefined;
    const input = Buffer.from(finding.input, "base64");
    const name = createHash("sha256").update(input).digest("hex").slice(0, 12);
    const folder = join(this.#directory, finding.target);
    mkdirSync(folder, { recursive: true });
    const path = join(folder, `${name}.bin`);
    writeFileSync(path, input);
    writeFileSync(join(folder, `${name}.txt`), this.#report(finding, path));
    return path;
  }

  /** Different ones. */
  count(target?: string): number {
    return [...this.#counts.keys()].filter(
      (key) => target === undefined || key.startsWith(`${target} `),
    ).length;
  }

  #report({ target, kind, message, stack, lineage }: Finding, path: string): string {
    return [
      `${target}: ${kind}: ${message}`,
      `npm run fuzz -- --replay ${path}`,
      `npm run fuzz -- --seed ${this.#seed} --target ${target} --only ${lineage}`,
      stack,
      "",
    ].join("\n");
  }
}
