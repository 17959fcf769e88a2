import type { TestSpecification } from "vitest/node";
import { BaseSequencer } from "vitest/node";

/** Minutes each. Begun last, as their small size has it, they would leave one of the two lanes empty. */
const LONG = [
  "test/conformance.test.ts",
  "test/conformance-ext4.test.ts",
  "test/e2e/disk-images.test.ts",
  "test/strace.test.ts",
];

/** The longest files begin first; the rest in vitest's order. */
export class LongFilesFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const inVitestOrder = BaseSequencer.prototype.sort.bind(this);
    const sorted = await inVitestOrder(files);
    return sorted.toSorted((a, b) => rank(a) - rank(b));
  }
}

function rank({ moduleId }: TestSpecification): number {
  const at = LONG.findIndex((file) => moduleId.endsWith(file));
  return at === -1 ? LONG.length : at;
}
