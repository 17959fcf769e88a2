import { ImportError } from "../errors.ts";
import type { ErrorCode, ErrorContext } from "../errors.ts";
import { limitDetails, raiseLimit } from "../limits.ts";
import type { Limits } from "../limits.ts";
import type { DecodedSoFar } from "./layer-decoder.ts";

/** Makes the error of one layer: its name before the problem, its number in the details. The caller throws it. */
export type LayerFault = (code: ErrorCode, problem: string, context?: ErrorContext) => ImportError;

const HINTS: Partial<Record<ErrorCode, string>> = {
  ERR_LAYER_CORRUPT: "The image is broken or hostile; ask its publisher to rebuild it.",
  ERR_LAYER_TRUNCATED: "The image was cut when it was made; ask its publisher to rebuild it.",
  ERR_PATH_ESCAPE: "The image is broken or hostile; do not use it.",
  ERR_NAME_TOO_LONG:
    "No Linux file system can hold this name; ask the publisher of the image to change it.",
  ERR_LINK_TARGET_MISSING: "The image is broken or hostile; ask its publisher to rebuild it.",
};

/** @param layer 0 is the base layer */
export function createLayerFault(label: string, layer: number): LayerFault {
  return (code, problem, context = {}) => {
    const hint = context.hint ?? HINTS[code];
    return new ImportError(code, `${label}: ${problem}`, {
      ...(hint === undefined ? {} : { hint }),
      details: { layer: layer + 1, ...context.details },
      ...(context.cause === undefined ? {} : { cause: context.cause }),
    });
  };
}

/** ERR_LIMIT_EXCEEDED, with the option that raises the limit as the hint. @param value what was met */
export function limitFault(
  fault: LayerFault,
  limits: Limits,
  met: { readonly limit: keyof Limits; readonly value: number; readonly problem: string },
): ImportError {
  const { limit, value, problem } = met;
  return fault("ERR_LIMIT_EXCEEDED", `${problem}; the limit is ${limits[limit]}`, {
    hint: raiseLimit(limit),
    details: limitDetails(limit, value, limits),
  });
}

/** What expands as no honest layer does. */
export function ratioFault(
  fault: LayerFault,
  limits: Limits,
  { compressedBytes, decodedBytes }: DecodedSoFar,
): ImportError {
  const value = Math.ceil(decodedBytes / compressedBytes);
  const problem = `${decodedBytes} bytes out of ${compressedBytes}, as a decompression bomb has`;
  return limitFault(fault, limits, { limit: "expansionRatio", value, problem });
}
