import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import type { Execution } from "./fuzz-session.ts";

/**
 * A file that always holds the input that is being run: what a process that hangs, dies or eats the memory leaves behind
 * of its last execution. One write an execution, to a file system in memory.
 */
export class RunningInput {
  readonly #fd: number;
  #record = Buffer.alloc(1 << 17);

  constructor(path: string) {
    this.#fd = openSync(path, "w");
  }

  note({ lineage, input }: Execution): void {
    const head = `${lineage.join("/")} ${input.length}\n`;
    const length = head.length + input.length;
    if (length > this.#record.length) this.#record = Buffer.alloc(2 * length);
    this.#record.write(head, 0, "latin1");
    this.#record.set(input, head.length);
    writeSync(this.#fd, this.#record, 0, length, 0);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

export interface NotedInput {
  readonly lineage: string;
  readonly input: Buffer;
}

/** @returns undefined before the first execution */
export function readRunningInput(path: string): NotedInput | undefined {
  const record = readFileSync(path);
  const headEnd = record.indexOf("\n");
  const [lineage = "", length = ""] = record
    .subarray(0, Math.max(0, headEnd))
    .toString("latin1")
    .split(" ");
  if (lineage === "") return undefined;
  const start = headEnd + 1;
  return { lineage, input: record.subarray(start, start + Number(length)) };
}
