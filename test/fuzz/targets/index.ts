import type { FuzzTarget } from "../fuzz-target.ts";
import { erofsTarget, ext4Target } from "./disk-images.ts";
import { gzipTarget, zstdTarget } from "./compression.ts";
import { dockerArchiveTarget, dockerManifestTarget, ociArchiveTarget } from "./image-archives.ts";
import { configTarget, indexTarget, manifestTarget } from "./image-documents.ts";
import { dockerConfigTarget, tokenAnswerTarget } from "./login-documents.ts";
import { mergeTarget } from "./merge.ts";
import { paxTarget } from "./pax.ts";
import { answerTarget } from "./registry-answers.ts";
import { snapshotTarTarget } from "./snapshot-tar.ts";
import { sparseTarget, tarTarget } from "./tar.ts";
import { challengeTarget, commandLineTarget, platformTarget, referenceTarget } from "./texts.ts";

/** All that is fuzzed; a new target is a line here. */
export const TARGETS: readonly FuzzTarget[] = [
  tarTarget,
  sparseTarget,
  paxTarget,
  gzipTarget,
  zstdTarget,
  mergeTarget,
  ext4Target,
  erofsTarget,
  snapshotTarTarget,
  ociArchiveTarget,
  dockerArchiveTarget,
  dockerManifestTarget,
  manifestTarget,
  indexTarget,
  configTarget,
  dockerConfigTarget,
  tokenAnswerTarget,
  challengeTarget,
  answerTarget,
  referenceTarget,
  platformTarget,
  commandLineTarget,
];
