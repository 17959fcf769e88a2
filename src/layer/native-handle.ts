import { constants } from "node:zlib";
import type { Transform } from "node:stream";
import type { ImportError } from "../errors.ts";
import type { LayerFault } from "./fault.ts";

/**
 * The synchronous half of a zlib or zstd stream of Node. It is not public API, but ten times as fast as what is: no
 * thread-pool hop, no Buffer a chunk. Everything that knows its shape is in this file; whoever opens one runs a known
 * stream through it first, and refuses the layer where that fails: Node has no public synchronous stream to fall back on,
 * and an inflater of our own would be code for a Node that does not exist.
 *
 * What it does (seen on Node 22.20 and 24.21): `writeSync` leaves `[outputLeft, inputLeft]` in `_writeState`; an error
 * is not thrown but given to `onerror`; only Z_FINISH tells a cut stream from a complete one.
 */
export interface NativeHandle {
  /** One call: `inputLeft` and `outputLeft` are what it did not use. After a failure the handle is of no more use. */
  run(flush: number, input: Uint8Array, at: number, length: number): void;
  readonly inputLeft: number;
  readonly outputLeft: number;
  /** The code of the failure (`Z_DATA_ERROR`, `ZSTD_error_checksum_wrong`), and its text. */
  readonly failure: { readonly code: string; readonly message: string } | undefined;
  /** Where the next call writes, up to the end of `output`. */
  outputAt: number;
  output: Uint8Array;
  close(): void;
}

interface Binding {
  writeSync(
    ...call: [
      flush: number,
      input: Uint8Array,
      inputAt: number,
      inputLength: number,
      output: Uint8Array,
      outputAt: number,
      outputLength: number,
    ]
  ): unknown;
}

function isBinding(value: unknown): value is Binding {
  return (
    typeof value === "object" &&
    value !== null &&
    "onerror" in value &&
    "writeSync" in value &&
    typeof value.writeSync === "function"
  );
}

/** @returns `undefined` where this Node has no such handle; the stream is closed then */
export function openNativeHandle(
  stream: Transform & { close(): void },
  output: Uint8Array,
): NativeHandle | undefined {
  const binding: unknown = Reflect.get(stream, "_handle");
  const state: unknown = Reflect.get(stream, "_writeState");
  if (!isBinding(binding) || !(state instanceof Uint32Array) || state.length !== 2) {
    stream.close();
    return undefined;
  }
  let failure: NativeHandle["failure"];
  let open = true;
  // The binding calls this property; there is nothing to listen on.
  Reflect.set(binding, "onerror", (message: unknown, _errno: unknown, code: unknown) => {
    failure = { code: String(code), message: String(message) };
  });
  const handle: NativeHandle = {
    run(flush, input, at, length) {
      const room = handle.output.length - handle.outputAt;
      binding.writeSync(flush, input, at, length, handle.output, handle.outputAt, room);
    },
    get inputLeft() {
      return state[1]!;
    },
    get outputLeft() {
      return state[0]!;
    },
    get failure() {
      return failure;
    },
    outputAt: 0,
    output,
    close() {
      if (open) stream.close();
      open = false;
    },
  };
  return handle;
}

export const FINISH: number = constants.Z_FINISH;
/** Z_NO_FLUSH and ZSTD_e_continue. */
export const CONTINUE: number = constants.Z_NO_FLUSH;

export function notReadableHere(fault: LayerFault, compression: "gzip" | "zstd"): ImportError {
  const problem = `${compression} layers cannot be read with Node ${process.versions.node}`;
  return fault("ERR_UNSUPPORTED_MEDIA_TYPE", problem, { hint: "Use Node 22.20 or 24." });
}

/** Whether a known stream comes out as it must in one call, with nothing left and no failure. */
export function passesTrial(
  handle: NativeHandle | undefined,
  stream: Uint8Array,
  expected: Uint8Array,
): boolean {
  if (handle === undefined) return false;
  try {
    handle.run(CONTINUE, stream, 0, stream.length);
    const written = handle.output.length - handle.outputLeft;
    const right = Buffer.compare(handle.output.subarray(0, written), expected) === 0;
    return right && handle.inputLeft === 0 && handle.failure === undefined;
  } catch {
    return false;
  }
}
