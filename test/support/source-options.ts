import { DEFAULT_LIMITS } from "../../src/limits.ts";
import type { OpenSourceOptions } from "../../src/source/image-source.ts";

/** How a test opens a source: with the limits of everybody, and no environment. */
export const SOURCE_OPTIONS: OpenSourceOptions = {
  env: {},
  limits: DEFAULT_LIMITS,
  plainHttp: false,
  insecure: false,
  concurrency: 8,
  userAgent: "rootlift/test",
  onRetry: () => undefined,
};
