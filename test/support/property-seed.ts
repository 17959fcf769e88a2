import fc from "fast-check";

/**
 * Properties are checked with the same seed everywhere, so that a change is judged by what it changes; ROOTLIFT_TEST_SEED
 * takes another one, or `random`.
 */
const FIXED_SEED = 20261125;

const wanted = process.env["ROOTLIFT_TEST_SEED"] ?? `${FIXED_SEED}`;
if (wanted !== "random") fc.configureGlobal({ seed: Number(wanted) });
