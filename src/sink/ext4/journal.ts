import { BLOCK_BYTES, JOURNAL, JOURNAL_MAGIC, JOURNAL_SUPERBLOCK_V2 } from "./format.ts";
import type { BlockRange } from "./geometry.ts";
import type { Ext4MetadataInput } from "./metadata-input.ts";

const SUPERBLOCK_BYTES = 1024;

/**
 * Writes the first block of an empty journal: `s_start` 0 says that there is nothing to replay. The others stay zeros.
 * @param runs of the journal's blocks
 */
export function writeJournal(
  { file, identity }: Pick<Ext4MetadataInput, "file" | "identity">,
  runs: readonly BlockRange[],
): void {
  const [start] = runs;
  if (start === undefined) return;
  const bytes = new Uint8Array(SUPERBLOCK_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(JOURNAL.magic, JOURNAL_MAGIC);
  view.setUint32(JOURNAL.blockType, JOURNAL_SUPERBLOCK_V2);
  view.setUint32(JOURNAL.blockSize, BLOCK_BYTES);
  view.setUint32(
    JOURNAL.maxLength,
    runs.reduce((sum, { blocks }) => sum + blocks, 0),
  );
  view.setUint32(JOURNAL.first, 1);
  view.setUint32(JOURNAL.sequence, 1);
  bytes.set(identity.uuid, JOURNAL.uuid);
  view.setUint32(JOURNAL.users, 1);
  file.write(bytes, start.first * BLOCK_BYTES);
}
