import type { Finding } from "./findings.ts";

/** What the process that runs a target is told, as its only argument. */
export interface ChildTask {
  readonly target: string;
  readonly seed: number;
  readonly firstNumber: number;
  readonly seconds: number;
  readonly notePath: string;
}

export interface Progress {
  readonly kind: "progress";
  readonly executions: number;
  /** Of them, those that gave a result and no refusal. */
  readonly accepted: number;
  readonly corpus: number;
  /** Of the processor, with the look at the coverage that followed. */
  readonly slowestMs: number;
  readonly rssMib: number;
}

export type ChildMessage =
  | Progress
  | { readonly kind: "finding"; readonly finding: Finding }
  | { readonly kind: "done" };
