import { type ErrorCode, ImportError, layerLabel, printable } from "../errors.ts";
import type { MergedImage } from "./layer-merge.ts";

const BROKEN = "The image is broken or hostile; ask its publisher to rebuild it.";
const RAISE = (limit: string): string =>
  `If you trust the image, raise the limit with --limit ${limit}=N.`;

/** The layer that is being merged, for messages. */
export interface MergedLayer extends MergedImage {
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

  linkLoop(path: Uint8Array, symlinksFollowed: number): ImportError {
    const what = `leads through more than ${symlinksFollowed} symbolic links, or in a circle`;
    return this.#error("ERR_LINK_LOOP", path, what);
  }

  linkTarget(path: Uint8Array, target: Uint8Array, why: string): ImportError {
    const what = `is a hard link to ${quoted(target)}, which ${why}`;
    return this.#error("ERR_LINK_TARGET_MISSING", path, what);
  }

  pathTooLong(path: Uint8Array, bytes: number, limit: number): ImportError {
    const what = `leads through symbolic links to a path of ${bytes} bytes; a path has at most ${limit}`;
    return this.#error("ERR_NAME_TOO_LONG", path, what);
  }

  componentTooLong(path: Uint8Array, bytes: number, limit: number): ImportError {
    const what = `needs a name of ${bytes} bytes; a name has at most ${limit}`;
    return this.#error("ERR_NAME_TOO_LONG", path, what);
  }

  rootReplaced(kind: string): ImportError {
    const what = `would turn the root directory into ${kind}`;
    return this.#error("ERR_LAYER_CORRUPT", Buffer.from("/"), what);
  }

  limit(path: Uint8Array, what: string, limit: string): ImportError {
    return this.#error("ERR_LIMIT_EXCEEDED", path, what, RAISE(limit));
  }

  #error(code: ErrorCode, path: Uint8Array, what: string, hint = BROKEN): ImportError {
    const { layer, layers, reference } = this.#place;
    const label = layerLabel(layer, layers, reference);
    return new ImportError(code, `${label}: ${quoted(path)} ${what}`, {
      hint,
      details: { layer: layer + 1, path: printable(path) },
    });
  }
}

function quoted(path: Uint8Array): string {
  return `"${printable(path)}"`;
}
