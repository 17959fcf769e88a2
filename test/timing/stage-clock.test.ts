import { expect, test } from "vitest";
import { DECODE_STAGES, Stage, StageClock } from "../../src/timing/stage-clock.ts";
import { steppedClock } from "../support/stepped-clock.ts";

test("the numbers of stages are those of their names", () => {
  expect(Object.entries(Stage)).toEqual(
    [...DECODE_STAGES.entries()].map(([at, name]) => [name, at]),
  );
});

test("at any moment the time is that of the stage that was entered last", () => {
  const time = steppedClock(100);
  const clock = new StageClock(time.now);
  clock.enter(Stage.digest);
  time.pass(3);
  clock.enter(Stage.inflate);
  time.pass(5);
  clock.enter(Stage.walk);
  time.pass(1);
  clock.enter(Stage.inflate);
  time.pass(7);
  clock.leave();
  time.pass(1000);
  expect(clock.take()).toEqual({ startMs: 100, endMs: 116, spentMs: [3, 12, 0, 1, 0] });
});

test("what was taken is not told again, and time that is nobody's never", () => {
  const time = steppedClock(0);
  const clock = new StageClock(time.now);
  expect(clock.take()).toBeUndefined();
  clock.enter(Stage.place);
  time.pass(2);
  clock.leave();
  clock.take();
  expect(clock.take()).toBeUndefined();
  time.pass(50);
  clock.enter(Stage.diffId);
  time.pass(4);
  clock.leave();
  expect(clock.take()).toEqual({ startMs: 52, endMs: 56, spentMs: [0, 0, 4, 0, 0] });
});
