import type { BodyPlacer } from "../sink/sink.ts";
import { Stage, type StageClock } from "../timing/stage-clock.ts";

/**
 * Tells the clock of a layer when its bodies are being placed: from the beginning of one to its end, and again where it
 * goes on in the next bytes. So a small file costs two looks at the clock.
 */
export function timedPlacer(placer: BodyPlacer, clock: StageClock): BodyPlacer {
  const goOn = (): void => {
    if (clock.stage !== Stage.place) clock.enter(Stage.place);
  };
  return {
    begin: (sizeBytes, attributes) => {
      clock.enter(Stage.place);
      placer.begin(sizeBytes, attributes);
    },
    write: (chunk) => {
      goOn();
      placer.write(chunk);
    },
    skip: (sizeBytes) => {
      goOn();
      placer.skip(sizeBytes);
    },
    end: () => {
      goOn();
      const body = placer.end();
      clock.enter(Stage.walk);
      return body;
    },
    finish: () => placer.finish(),
    close: () => placer.close(),
  };
}
