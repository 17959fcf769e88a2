import { onTestFinished } from "vitest";
import type { TestRegistry, TestRegistryOptions } from "./test-registry/test-registry.ts";
import { startTestRegistry } from "./test-registry/test-registry.ts";

/** A registry for the running test, closed at its end. */
export async function startedRegistry(options: TestRegistryOptions = {}): Promise<TestRegistry> {
  const registry = await startTestRegistry(options);
  onTestFinished(() => registry.close());
  return registry;
}
