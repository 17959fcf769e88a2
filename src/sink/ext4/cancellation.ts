import { cancellation } from "../../errors.ts";
import type { Ext4MetadataInput } from "./metadata-input.ts";

const STEPS_BETWEEN_LOOKS = 2048;

/** To be called once a step of a long loop. @throws ImportError ERR_CANCELLED */
export function throwWhenCancelled(
  input: Pick<Ext4MetadataInput, "isCancelled">,
  step: number,
): void {
  if (step % STEPS_BETWEEN_LOOKS !== 0 || !input.isCancelled()) return;
  throw cancellation();
}
