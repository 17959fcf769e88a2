import type { CoverageGuide } from "./coverage-guide.ts";
import type { FuzzTarget, OpenTarget } from "./fuzz-target.ts";
import { judge, type Failure } from "./judge.ts";
import { Random } from "./random.ts";

/** Executions between two looks at the coverage, which take a millisecond. */
const LOOK_EVERY = 64;
const MOST_GROWN = 4000;

/** An input that reached what none before had, and the executions that made it of a seed. */
interface Grown {
  readonly input: Uint8Array;
  readonly lineage: readonly number[];
}

export interface Execution {
  readonly number: number;
  /** Numbers of the executions whose inputs were mutated one after the other, this one last: what `--only` takes. */
  readonly lineage: readonly number[];
  readonly input: Uint8Array;
}

/** The executions of one target under one seed. */
export class FuzzSession {
  readonly #target: OpenTarget;
  readonly #name: string;
  readonly #seed: number;
  readonly #guide: CoverageGuide | undefined;
  readonly #grown: Grown[] = [];
  #recent: Execution[] = [];

  constructor(
    { name }: FuzzTarget,
    target: OpenTarget,
    options: { readonly seed: number; readonly guide?: CoverageGuide },
  ) {
    this.#name = name;
    this.#target = target;
    this.#seed = options.seed;
    this.#guide = options.guide;
  }

  /** Inputs that others are made of. */
  get corpus(): number {
    return this.#target.seeds.length + this.#grown.length;
  }

  /** The input of an execution, made of a seed through the executions of its lineage. */
  inputOf(lineage: readonly number[]): Uint8Array {
    let input: Uint8Array | undefined;
    for (const number of lineage) input = this.#inputFor(number, input);
    if (input === undefined) throw new RangeError("no execution given");
    return input;
  }

  /** Chooses what execution number N is about. Without coverage it depends on seed, target and number alone. */
  execution(number: number): Execution {
    const [choice, index] = this.#draws(number);
    const parent =
      choice % 3 > 0 ? this.#grown[index % Math.max(1, this.#grown.length)] : undefined;
    if (number < this.#target.seeds.length || parent === undefined) {
      return { number, lineage: [number], input: this.#inputFor(number, undefined) };
    }
    const input = this.#inputFor(number, parent.input);
    return { number, lineage: [...parent.lineage, number], input };
  }

  /** Runs it. @returns as `judge` */
  async run(execution: Execution): Promise<Failure | string> {
    const verdict = await judge(this.#target, execution.input);
    if (this.#guide !== undefined && typeof verdict === "string") {
      this.#recent.push(execution);
      if (this.#recent.length === LOOK_EVERY) await this.#keepWhatIsNew(this.#guide);
    }
    return verdict;
  }

  #inputFor(number: number, parent: Uint8Array | undefined): Uint8Array {
    const { seeds } = this.#target;
    const asItIs = seeds[number];
    if (parent === undefined && asItIs !== undefined) return asItIs;
    const [, index, donor, random] = this.#draws(number);
    const nothing = new Uint8Array(0);
    const input = parent ?? seeds[index % seeds.length] ?? nothing;
    return this.#target.mutate(input, random, seeds[donor % seeds.length] ?? nothing);
  }

  #draws(number: number): readonly [number, number, number, Random] {
    const random = new Random(this.#seed, this.#name, number);
    return [random.next(), random.next(), random.next(), random];
  }

  /** Some of the recent executions together reached new blocks: runs each by itself to find which. */
  async #keepWhatIsNew(guide: CoverageGuide): Promise<void> {
    const recent = this.#recent;
    this.#recent = [];
    if (!guide.looksNew()) return;
    for (const { input, lineage } of recent) {
      await judge(this.#target, input);
      if (!guide.learn() || this.#grown.length === MOST_GROWN) continue;
      this.#grown.push({ input: Uint8Array.from(input), lineage });
    }
  }
}
