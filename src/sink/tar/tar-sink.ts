import { lstatSync, mkdirSync } from "node:fs";
import { ImportError } from "../../errors.ts";
import type { RootfsTree } from "../../rootfs/rootfs-tree.ts";
import { withCancelFlag } from "../cancellation.ts";
import { errnoOf, ioError } from "../io-error.ts";
import { omissionLines } from "../omissions.ts";
import { removeTree } from "../remove-tree.ts";
import type { LayerOrder, PlacerPlan, SealContext, SealedRootfs, Sink } from "../sink.ts";
import { MOST_PLANS, spoolPath } from "./spool-body.ts";
import type { TarSealResult } from "./tar-seal-task.ts";

export interface TarSinkOptions {
  /** The archive: absolute, not there yet, its parent is. Bodies wait beside it, in `<rootfsPath>.bodies`. */
  readonly rootfsPath: string;
}

/**
 * Writes the root filesystem as one tar archive. An archive has its entries in order, and the order is known last: bodies
 * are set aside in a spool file a layer as they arrive, and copied to their places in one pass at seal. So this format, other
 * than the rest, writes each body twice, and takes twice the room while it does.
 */
export function createTarSink(options: TarSinkOptions): Sink {
  return new TarSink(options);
}

class TarSink implements Sink {
  readonly #rootfsPath: string;
  readonly #bodiesPath: string;
  #isPrepared = false;
  #plans = 0;

  constructor({ rootfsPath }: TarSinkOptions) {
    this.#rootfsPath = rootfsPath;
    this.#bodiesPath = `${rootfsPath}.bodies`;
  }

  async prepare(): Promise<void> {
    this.#io("make the staging place", () => {
      if (lstatSync(this.#rootfsPath, { throwIfNoEntry: false }) !== undefined) {
        throw outputExists(this.#rootfsPath);
      }
      try {
        mkdirSync(this.#bodiesPath, { mode: 0o700 });
      } catch (error) {
        throw errnoOf(error) === "EEXIST" ? outputExists(this.#bodiesPath) : error;
      }
    });
    this.#isPrepared = true;
  }

  begin(): LayerOrder {
    return "largest-first";
  }

  placerPlan(layer: number): PlacerPlan {
    if (!this.#isPrepared) throw new Error("a sink is prepared before it places");
    const plan = this.#plans++;
    if (plan >= MOST_PLANS) {
      throw new ImportError(
        "ERR_LIMIT_EXCEEDED",
        `a tar import takes ${MOST_PLANS} layers at most`,
        {
          hint: "Import it with another --format.",
        },
      );
    }
    return { kind: "spool", layer, plan, spoolPath: spoolPath(this.#bodiesPath, plan) };
  }

  placed(): void {
    // A reference to a body says all about it.
  }

  startOver(): undefined {
    return undefined;
  }

  seal(tree: RootfsTree, context: SealContext): Promise<SealedRootfs> {
    const { fsync, runTasks } = context;
    return withCancelFlag(context, async (cancelled) => {
      const [rootfsPath, bodiesPath] = [this.#rootfsPath, this.#bodiesPath];
      const task = { tree, bodiesPath, rootfsPath, fsync, cancelled };
      const [result] = await runTasks([{ kind: "tar", task }]);
      const { sizeBytes, usedBytes, checksums, ...omissions } = checkedResult(result);
      return {
        sizeBytes,
        usedBytes,
        checksums,
        entries: tree.entries,
        omissions: omissionLines([omissions]),
      };
    });
  }

  async abort(): Promise<void> {
    if (!this.#isPrepared) return;
    this.#io("remove what was written", () => {
      for (const path of [this.#rootfsPath, this.#bodiesPath]) removeTree(path);
    });
    this.#isPrepared = false;
  }

  #io<T>(doing: string, action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw ioError(error, doing, this.#rootfsPath);
    }
  }
}

function outputExists(path: string): ImportError {
  return new ImportError("ERR_OUTPUT_EXISTS", `${path} exists already`, {
    hint: "Remove it, or choose another place with --output.",
    details: { path },
  });
}

function checkedResult(result: unknown): TarSealResult {
  if (isResult(result)) return result;
  throw new Error("a seal task answered with something else than its result");
}

function isResult(result: unknown): result is TarSealResult {
  return (
    typeof result === "object" && result !== null && "kind" in result && result.kind === "tar-seal"
  );
}
