import { OpenBody } from "./open-body.ts";
import type { BodyPlacer, BodyRef, LayerPlacement, NullPlacerPlan } from "./sink.ts";

/** Takes bodies as every placer does, checks that each is as long as its header says, and keeps nothing of them. */
export function createNullPlacer({ layer }: NullPlacerPlan): BodyPlacer {
  const body = new OpenBody(layer);
  return {
    begin: (sizeBytes) => body.begin(sizeBytes),
    write: (chunk) => void body.advance(chunk.length),
    skip: (sizeBytes) => void body.advance(sizeBytes),
    end: (): BodyRef => {
      body.end();
      return body.number;
    },
    finish: (): LayerPlacement => ({ kind: "null" }),
    close: () => undefined,
  };
}
