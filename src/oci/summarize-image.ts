import type { ResolvedImage } from "./image.ts";
import { formatPlatform } from "./parse-platform.ts";

/** What is told and recorded of a resolved image; digests and platform as text. */
export interface ImageSummary {
  readonly reference: string;
  readonly manifestDigest: string;
  /** `os/arch[/variant]` */
  readonly platform: string;
  /** Bottom first; compressed sizes. */
  readonly layers: readonly {
    readonly digest: string;
    readonly diffId: string;
    readonly sizeBytes: number;
  }[];
  /** Compressed, all layers. */
  readonly totalBytes: number;
}

export function summarizeImage(image: ResolvedImage): ImageSummary {
  const layers = image.layers.map(({ descriptor, diffId }) => ({
    digest: descriptor.digest.text,
    diffId: diffId.text,
    sizeBytes: descriptor.sizeBytes,
  }));
  return {
    reference: image.reference,
    manifestDigest: image.manifestDigest.text,
    platform: formatPlatform(image.platform),
    layers,
    totalBytes: layers.reduce((total, { sizeBytes }) => total + sizeBytes, 0),
  };
}
