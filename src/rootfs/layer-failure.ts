import {
  type ErrorCode,
  type ErrorContext,
  ImportError,
  layerLabel,
  printable,
} from "../errors.ts";
import { limitDetails, raiseLimit, type Limits } from "../limits.ts";
import type { MergedImage } from "./layer-merge.ts";

const BROKEN = "The image is broken or hostile; ask its publisher to rebuild it.";

/** A limit that an entry passes. */
export interface LimitMet {
  readonly limit: keyof Limits;
  /** What the entry brings it to. */
  readonly value: number;
  /** What the message says of the entry. */
  readonly what: string;
}

/** The layer that is being merged, for messages. */
export interface MergedLayer extends MergedImage {
  readonly limits: Limits;
  /** 0 is the base layer. */
  readonly layer: number;
}

/** Makes the errors of one layer: which layer, which path, what is wrong with it, what to do. */
export class LayerFailure {
  readonly #place: MergedLayer;

  constructor(place: MergedLayer) {
    this.#place = place;
  }

  notADirectory(path: Uint8Array, blocker: Uint8Array, kind: string): ImportError {
    return this.#error(
      "ERR_NOT_A_DIRECTORY",
      path,
      `lies below ${quoted(blocker)}, which is ${kind}`,
    );
  }

  linkLoop(path: Uint8Array): ImportError {
    const most = this.#place.limits.symlinksFollowed;
    const what = `leads through more than ${most} symbolic links, or in a circle`;
    const met = { limit: "symlinksFollowed", value: most + 1, what } as const;
    return this.#limitError("ERR_LINK_LOOP", path, met);
  }

  linkTarget(path: Uint8Array, target: Uint8Array, why: string): ImportError {
    const what = `is a hard link to ${quoted(target)}, which ${why}`;
    return this.#error("ERR_LINK_TARGET_MISSING", path, what);
  }

  pathTooLong(path: Uint8Array, bytes: number): ImportError {
    const most = this.#place.limits.pathBytes;
    const what = `leads through symbolic links to a path of ${bytes} bytes; a path has at most ${most}`;
    return this.#limitError("ERR_NAME_TOO_LONG", path, { limit: "pathBytes", value: bytes, what });
  }

  componentTooLong(path: Uint8Array, bytes: number, most: number): ImportError {
    const what = `needs a name of ${bytes} bytes; a name has at most ${most}`;
    const { limits } = this.#place;
    return this.#error("ERR_NAME_TOO_LONG", path, what, {
      details: limitDetails("componentBytes", bytes, limits),
    });
  }

  rootReplaced(kind: string): ImportError {
    const what = `would turn the root directory into ${kind}`;
    return this.#error("ERR_LAYER_CORRUPT", Buffer.from("/"), what);
  }

  limit(path: Uint8Array, met: LimitMet): ImportError {
    return this.#limitError("ERR_LIMIT_EXCEEDED", path, met);
  }

  #limitError(code: ErrorCode, path: Uint8Array, { limit, value, what }: LimitMet): ImportError {
    return this.#error(code, path, what, {
      hint: raiseLimit(limit),
      details: limitDetails(limit, value, this.#place.limits),
    });
  }

  #error(
    code: ErrorCode,
    path: Uint8Array,
    what: string,
    context: Pick<ErrorContext, "hint" | "details"> = {},
  ): ImportError {
    const { layer, layers, reference } = this.#place;
    const label = layerLabel(layer, layers, reference);
    return new ImportError(code, `${label}: ${quoted(path)} ${what}`, {
      hint: BROKEN,
      ...context,
      details: { layer: layer + 1, path: printable(path), ...context.details },
    });
  }
}

function quoted(path: Uint8Array): string {
  return `"${printable(path)}"`;
}
