import crypto from "node:crypto";
import { syncBuiltinESMExports } from "node:module";

/*
 * Loaded before the command (`node --import`) by runs that are traced: the ids that it draws, and the number of its process,
 * are the same each time. So all paths are, and a system call is found again by its path.
 */

const MODULUS = 2_147_483_647;
let state = 1;

crypto.randomInt = (max: number): number => {
  // Park and Miller's generator.
  state = (state * 48_271) % MODULUS;
  return state % max;
};
Object.defineProperty(process, "pid", { value: 1_000_000 });
syncBuiltinESMExports();
