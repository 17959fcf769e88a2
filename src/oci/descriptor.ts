import type { Digest } from "./digest.ts";

/** A content descriptor, checked when parsed (image-spec descriptor.md, "Properties"). */
export interface Descriptor {
  readonly mediaType: string;
  /** Of the bytes as stored, so of the *compressed* layer; a diffId is of the uncompressed one. */
  readonly digest: Digest;
  /** 0 … 2^53-1. A body longer than this is cut off and refused. */
  readonly sizeBytes: number;
  readonly platform?: Platform;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Foreign layers only (image-spec: deprecated, still found in the field). */
  readonly urls?: readonly string[];
  /** The embedded bytes (`data`), already checked against digest and size. */
  readonly data?: Uint8Array;
}

/** As written in an index or config, normalised by `parsePlatform` (image-spec image-index.md). */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly osVersion?: string;
  readonly osFeatures?: readonly string[];
}
