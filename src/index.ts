/** The public API. Importing it has no side effects. */
export { deserializeError, ImportError, printable, serializeError } from "./errors.ts";
export type { ErrorCode, ErrorDetails, SerializedError } from "./errors.ts";
export { DEFAULT_LIMITS } from "./limits.ts";
export type { Limits } from "./limits.ts";
export type {
  Bottleneck,
  ImportEvent,
  ImportTimings,
  LayerTimings,
  OnEvent,
  StageTiming,
  TimingResource,
  TimingStage,
} from "./progress.ts";
export type * from "./api/public-types.ts";
export type * from "./api/store-types.ts";
export { benchSandboxImage } from "./api/bench-sandbox-image.ts";
export { exportSandboxImage } from "./api/export-sandbox-image.ts";
export {
  listSandboxImageFiles,
  readSandboxImageFile,
  statSandboxImageFile,
} from "./api/sandbox-image-files.ts";
export {
  deleteSandboxImage,
  describeSandboxImage,
  findSandboxImageByName,
  importSandboxImage,
  importSandboxImageEvents,
  listSandboxImages,
  planSandboxImageImport,
  registerSandboxImage,
} from "./api/sandbox-images.ts";
export { checkStore, collectStoreGarbage, measureStore } from "./api/store-maintenance.ts";
export { verifySandboxImage } from "./api/verify-sandbox-image.ts";
export { VERSION } from "./api/version.ts";
export { deriveImageName } from "./oci/image-name.ts";
