import { createBreathing } from "./breathing.ts";
import { checkRecordedBytes, type RecordedBytes } from "./check-recorded-bytes.ts";
import { createDamageLog, type Damage } from "./damage.ts";
import { openImageFile } from "./image-file.ts";

/**
 * Compares the bytes of an image of any format with what was recorded when it was made.
 * @throws ImportError ERR_STORE_IO, ERR_CANCELLED
 */
export async function verifyBytes(
  imagePath: string,
  { recorded, signal }: { readonly recorded: RecordedBytes; readonly signal: AbortSignal },
): Promise<{
  readonly damage: readonly Damage[];
  readonly damageCount: number;
  readonly checkedBytes: number;
}> {
  const file = await openImageFile(imagePath);
  try {
    const damage = createDamageLog();
    const checkedBytes = await checkRecordedBytes(file, recorded, {
      breathe: createBreathing(signal),
      onMismatch: (block, blocks) => damage.add(changedBytes(block, blocks)),
    });
    return { damage: damage.list, damageCount: damage.count(), checkedBytes };
  } finally {
    await file.close();
  }
}

export function changedBytes(block: number, blocks: number): Damage & { readonly block: number } {
  const range = blocks === 1 ? `block ${block}` : `blocks ${block} to ${block + blocks - 1}`;
  return { what: "data", block, problem: `the bytes of ${range} are not what was imported` };
}
