import { expect, test } from "vitest";
import { timedPlacer } from "../../src/pool/timed-placer.ts";
import { createNullPlacer } from "../../src/sink/null-placer.ts";
import type { BodyPlacer } from "../../src/sink/sink.ts";
import { Stage, StageClock } from "../../src/timing/stage-clock.ts";
import { steppedClock } from "../support/stepped-clock.ts";

const ATTRIBUTES = { mode: 0o644, uid: 0, gid: 0, mtimeSeconds: 0, mtimeNanoseconds: 0 };
const THREE = Buffer.from("abc");

/** Each call takes a millisecond; so does what happens between two. */
function timed(): {
  readonly placer: BodyPlacer;
  readonly clock: StageClock;
  readonly walk: () => void;
} {
  const time = steppedClock();
  const clock = new StageClock(time.now);
  const slow = createNullPlacer({ kind: "null", layer: 0 });
  const call = <T>(action: () => T): T => {
    time.pass(1);
    return action();
  };
  const placer = timedPlacer(
    {
      ...slow,
      begin: (size, attributes) => call(() => slow.begin(size, attributes)),
      write: (chunk) => call(() => slow.write(chunk)),
      skip: (size) => call(() => slow.skip(size)),
      end: () => call(() => slow.end()),
    },
    clock,
  );
  return { placer, clock, walk: () => time.pass(1) };
}

test("the time of a body is that of its placer, and the time after it the walker's again", () => {
  const { placer, clock, walk } = timed();
  clock.enter(Stage.walk);
  walk();
  placer.begin(3, ATTRIBUTES);
  placer.write(THREE);
  placer.end();
  walk();
  clock.leave();
  expect(clock.take()?.spentMs).toEqual([0, 0, 0, 2, 3]);
});

test("a body that goes on in the next bytes is placed there too, and in between nothing is", () => {
  const { placer, clock, walk } = timed();
  clock.enter(Stage.walk);
  placer.begin(8, ATTRIBUTES);
  placer.write(THREE);
  clock.enter(Stage.inflate);
  walk();
  clock.enter(Stage.walk);
  placer.write(THREE);
  clock.enter(Stage.inflate);
  walk();
  clock.enter(Stage.walk);
  placer.skip(2);
  placer.end();
  clock.leave();
  expect(clock.take()?.spentMs).toEqual([0, 2, 0, 0, 5]);
});
