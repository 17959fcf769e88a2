import { createHash } from "node:crypto";
import { ImportError } from "../errors.ts";
import { SNIFF_BYTES, sniffCompression } from "./sniff.ts";
import { TarWalker } from "./tar-walker.ts";
import { createGzipStream } from "./gzip-stream.ts";
import { createLayerFault, limitFault, ratioFault } from "./fault.ts";
import { createPlainStream } from "./decompressor.ts";
import { createZstdStream } from "./zstd-stream.ts";
import { Stage } from "../timing/stage-clock.ts";
import type { Compression } from "./sniff.ts";
import type { Decompressor, DecompressorOptions } from "./decompressor.ts";
import type { ErrorCode } from "../errors.ts";
import type { Hash } from "node:crypto";
import { RATIO_FREE_BYTES } from "./layer-decoder.ts";
import type {
  DecodedSoFar,
  LayerDecoder,
  LayerDecoderOptions,
  LayerSummary,
} from "./layer-decoder.ts";
import type { LayerFault } from "./fault.ts";

/** What damaged bytes look like as well as bad ones: kept until the digest says which it was. */
const DAMAGE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "ERR_LAYER_CORRUPT",
  "ERR_LAYER_TRUNCATED",
  "ERR_PATH_ESCAPE",
  "ERR_NAME_TOO_LONG",
  "ERR_LINK_TARGET_MISSING",
]);

/** See `LayerDecoder`. One a layer; it holds about 2 MiB, and a zstd window where the layer has one. */
export function createLayerDecoder(options: LayerDecoderOptions): LayerDecoder {
  return new StreamingLayerDecoder(options);
}

function createHere(compression: "gzip" | "zstd", options: DecompressorOptions): Decompressor {
  return compression === "gzip" ? createGzipStream(options) : createZstdStream(options);
}

class StreamingLayerDecoder implements LayerDecoder {
  readonly #options: LayerDecoderOptions;
  readonly #fault: LayerFault;
  readonly #digest: Hash;
  readonly #walker: TarWalker;
  #compression: Compression = "none";
  #decompressor: Decompressor | undefined;
  /** Of the plain bytes; absent where they are the compressed ones, under the same algorithm. */
  #diffId: Hash | undefined;
  #head: Uint8Array = new Uint8Array(0);
  #compressedBytes = 0;
  #decodedBytes = 0;
  #kept: ImportError | undefined;
  #closed = false;

  constructor(options: LayerDecoderOptions) {
    this.#options = options;
    this.#fault = createLayerFault(options.label, options.layer);
    this.#digest = createHash(options.digest.algorithm);
    this.#walker = new TarWalker({
      fault: this.#fault,
      limits: options.limits,
      bodies: options.bodies,
      onBatch: options.onBatch,
    });
  }

  get decodedBytes(): number {
    return this.#decodedBytes;
  }

  get compressedBytes(): number {
    return this.#compressedBytes;
  }

  get entries(): number {
    return this.#walker.entries;
  }

  push(chunk: Uint8Array): void {
    // Some Buffers are views into a pool; a plain view is also cheaper to cut further.
    const bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length);
    this.#compressedBytes += bytes.length;
    if (this.#compressedBytes > this.#options.sizeBytes) throw this.#sizeMismatch();
    const { clock } = this.#options;
    clock?.enter(Stage.digest);
    this.#digest.update(bytes);
    clock?.enter(Stage.inflate);
    this.#guard(() => this.#decode(bytes));
    clock?.leave();
  }

  finish(): LayerSummary {
    if (this.#closed) throw new Error("finish() of a closed layer decoder");
    if (this.#compressedBytes !== this.#options.sizeBytes) throw this.#sizeMismatch();
    const { clock } = this.#options;
    clock?.enter(Stage.digest);
    const digest = this.#digest.digest("hex");
    if (digest !== this.#options.digest.hex) throw this.#digestMismatch(digest);
    clock?.enter(Stage.inflate);
    this.#guard(() => {
      if (this.#decompressor === undefined) this.#start(this.#head);
      this.#decompressor?.end();
      clock?.enter(Stage.walk);
      this.#walker.end();
    });
    if (this.#kept !== undefined) throw this.#kept;
    clock?.enter(Stage.diffId);
    this.#requireDiffId(digest);
    clock?.leave();
    return {
      compression: this.#compression,
      compressedBytes: this.#compressedBytes,
      decodedBytes: this.#decodedBytes,
      entries: this.#walker.entries,
      bodies: this.#walker.bodies,
      bodyBytes: this.#walker.bodyBytes,
    };
  }

  close(): void {
    this.#closed = true;
    this.#decompressor?.close();
  }

  /** Runs a step of the decoding unless an earlier one has failed. */
  #guard(step: () => void): void {
    if (this.#kept !== undefined || this.#closed) return;
    try {
      step();
    } catch (error) {
      if (!(error instanceof ImportError)) throw error;
      this.#kept = error;
      if (!DAMAGE.has(error.code)) throw error;
    }
  }

  #decode(bytes: Uint8Array): void {
    if (this.#decompressor !== undefined) {
      this.#decompressor.write(bytes);
      return;
    }
    const head = this.#head.length === 0 ? bytes : Buffer.concat([this.#head, bytes]);
    if (head.length >= SNIFF_BYTES) this.#start(head);
    else this.#head = head.slice();
  }

  /** @param head the first bytes of the layer, enough to tell what they are, or all */
  #start(head: Uint8Array): void {
    const { digest, diffId, limits } = this.#options;
    this.#compression = sniffCompression(head);
    this.#decompressor = this.#createStream({
      fault: this.#fault,
      limits,
      output: (bytes) => this.#take(bytes),
    });
    const same = this.#compression === "none" && digest.algorithm === diffId.algorithm;
    if (!same) this.#diffId = createHash(diffId.algorithm);
    this.#decompressor.write(head);
  }

  #createStream(options: DecompressorOptions): Decompressor {
    const { createStream = createHere } = this.#options;
    const compression = this.#compression;
    return compression === "none" ? createPlainStream(options) : createStream(compression, options);
  }

  #take(bytes: Uint8Array): void {
    this.#decodedBytes += bytes.length;
    const soFar = {
      compressedBytes: this.#decompressor?.inputBytes ?? this.#compressedBytes,
      decodedBytes: this.#decodedBytes,
    };
    this.#requireSane(soFar);
    const { clock, onOutput } = this.#options;
    onOutput?.(soFar);
    if (this.#diffId !== undefined) {
      clock?.enter(Stage.diffId);
      this.#diffId.update(bytes);
    }
    clock?.enter(Stage.walk);
    this.#walker.write(bytes);
    clock?.enter(Stage.inflate);
  }

  /** Attack: 10 MB of gzip become 10 GB of zeros, 2 MB of zstd 64 GB. */
  #requireSane(soFar: DecodedSoFar): void {
    const { limits } = this.#options;
    const decoded = soFar.decodedBytes;
    if (decoded > limits.layerBytes) {
      const problem = `it unpacks to ${decoded} bytes and more`;
      throw limitFault(this.#fault, limits, { limit: "layerBytes", value: decoded, problem });
    }
    if (this.#compression === "none" || decoded <= RATIO_FREE_BYTES) return;
    const allowed = soFar.compressedBytes * limits.expansionRatio;
    if (decoded > allowed) throw ratioFault(this.#fault, limits, soFar);
  }

  #sizeMismatch(): ImportError {
    const { sizeBytes } = this.#options;
    const received = this.#compressedBytes;
    const problem = `expected ${sizeBytes} bytes, got ${received > sizeBytes ? "more" : received}`;
    return this.#fault("ERR_SIZE_MISMATCH", problem, {
      hint: "Import again; if it repeats, the registry or a proxy in between serves damaged data.",
      details: { expectedBytes: sizeBytes, receivedBytes: received },
    });
  }

  #digestMismatch(hex: string): ImportError {
    const { digest } = this.#options;
    const found = `${digest.algorithm}:${hex}`;
    const problem = `does not match its digest: expected ${digest.text}, got ${found} after ${this.#compressedBytes} bytes`;
    return this.#fault("ERR_DIGEST_MISMATCH", problem, {
      hint: "Import again; if it repeats, the registry or a proxy in between serves damaged data.",
      details: { expected: digest.text, found },
    });
  }

  #requireDiffId(digestHex: string): void {
    const { diffId } = this.#options;
    const hex = this.#diffId?.digest("hex") ?? digestHex;
    if (hex === diffId.hex) return;
    const found = `${diffId.algorithm}:${hex}`;
    const problem = `its contents do not match the diff_id of the config: expected ${diffId.text}, got ${found}`;
    throw this.#fault("ERR_DIFF_ID_MISMATCH", problem, {
      hint: "The image is broken or was tampered with; ask its publisher to rebuild it.",
      details: { expected: diffId.text, found },
    });
  }
}
