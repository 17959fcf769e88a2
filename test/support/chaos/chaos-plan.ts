import type { ImageFormat } from "../../../src/index.ts";
import { Random } from "../../fuzz/random.ts";
import type { BearerOptions } from "../test-registry/token-server.ts";
import { ANSWER_FAULTS } from "./answer-faults.ts";
import { REPOSITORY, type ChaosImage } from "./chaos-images.ts";
import { CONNECTION_FAULTS } from "./connection-faults.ts";
import type { FaultRow } from "./fault-rows.ts";

export const FAULT_ROWS: readonly FaultRow[] = [...ANSWER_FAULTS, ...CONNECTION_FAULTS];

export function nameOfRow({ name, on }: FaultRow): string {
  return `${name} (${on})`;
}

export interface PlannedFault {
  readonly row: FaultRow;
  readonly at: "registry" | "mirror";
  /** How many answers or connections meet it. Infinity: all. */
  readonly times: number;
  readonly skip: number;
}

/** `once`: one fault, met once. `for ever`: one, every time. `storm`: several, some times each. */
export type Weather = "clean" | "once" | "for ever" | "storm";

/** One import and everything that will go wrong with it: a function of seed and number. */
export interface ChaosPlan {
  readonly seed: number;
  readonly number: number;
  readonly weather: Weather;
  readonly image: ChaosImage;
  readonly byDigest: boolean;
  readonly format: ImageFormat;
  readonly blobCache: boolean;
  readonly hasOutput: boolean;
  readonly ranges: boolean;
  /** With the built command in a process of its own, and clocks that its options can set. */
  readonly byCommand: boolean;
  /** Reached by the machine's own address, where nothing that holds for loopback does. */
  readonly offLoopback: boolean;
  readonly auth: BearerOptions | { readonly mode: "none" };
  readonly redirectBlobs: boolean;
  readonly linkUses: number | undefined;
  readonly bytesPerSecond: number | undefined;
  readonly hasMirror: boolean;
  readonly faults: readonly PlannedFault[];
  /** With `connections refused`: from the beginning, for so long. */
  readonly refusedMs: number;
}

export const DISK_MB = 24;
/** Smaller than the layers of all images together. */
export const CACHE_SIZE = "3M";
export const LOGIN = { user: "alice", password: "hunter2-chaos" } as const;

export interface PlanSettings {
  readonly seed: number;
  readonly images: readonly ChaosImage[];
  readonly formats: readonly ImageFormat[];
}

/** Every row of the catalogue is the first fault of one import in so many. */
export function planImport(number: number, { seed, images, formats }: PlanSettings): ChaosPlan {
  const random = new Random(seed, "chaos", number);
  const weather = weatherOf(random);
  const first = FAULT_ROWS[number % FAULT_ROWS.length] ?? random.pick(FAULT_ROWS);
  const hasMirror = random.oneIn(7);
  const faults = weather === "clean" ? [] : faultsOf(random, weather, { first, hasMirror });
  const meets = (on: FaultRow["on"]): boolean => faults.some(({ row }) => row.on === on);
  const wantsDigest = faults.some(({ row }) => "byDigest" in row);
  const redirectBlobs = meets("cdn") || meets("cdn connection") || random.oneIn(3);
  const challenged = faults.some(({ row }) => "challenges" in row && row.challenges);
  const hasTokens = meets("token") || challenged || !random.oneIn(6);
  const image = random.pick(images);
  return {
    seed,
    number,
    weather,
    image,
    byDigest: wantsDigest || random.oneIn(3),
    format: random.pick(formats),
    blobCache: random.oneIn(4),
    hasOutput: random.oneIn(4),
    ranges: !random.oneIn(4),
    byCommand: random.oneIn(20),
    offLoopback: random.oneIn(2),
    auth: hasTokens ? tokensOf(random) : { mode: "none" },
    redirectBlobs,
    linkUses: redirectBlobs && random.oneIn(3) ? 1 + random.below(3) : undefined,
    bytesPerSecond: image.isLarge && random.oneIn(2) ? 2e6 : undefined,
    hasMirror,
    faults,
    refusedMs: random.pick([100, 400, 60_000]),
  };
}

function weatherOf(random: Random): Weather {
  const draw = random.below(100);
  if (draw < 4) return "clean";
  if (draw < 48) return "once";
  return draw < 80 ? "for ever" : "storm";
}

function faultsOf(
  random: Random,
  weather: Weather,
  { first, hasMirror }: { readonly first: FaultRow; readonly hasMirror: boolean },
): readonly PlannedFault[] {
  const placed = (row: FaultRow, times: number): PlannedFault => {
    const mirrored = hasMirror && row.on !== "token" && row.on !== "listener";
    const at = mirrored && !random.oneIn(3) ? "mirror" : "registry";
    return { row, at, times, skip: random.skewedBelow(3) };
  };
  if (weather === "once") return [placed(first, 1)];
  if (weather === "for ever") return [placed(first, Infinity)];
  const others = Array.from({ length: 1 + random.below(4) }, () => random.pick(FAULT_ROWS));
  return [first, ...others].map((row) => placed(row, random.pick([1, 1, 2, 3])));
}

function tokensOf(random: Random): BearerOptions {
  const login = random.oneIn(2) ? { users: { [LOGIN.user]: LOGIN.password } } : {};
  return {
    mode: "bearer",
    ...login,
    // The registry's mind changes; what it promised stays.
    expiresIn: 300,
    tokenSeconds: random.pick([300, 300, 300, 2, 0.5]),
    ...(random.oneIn(2) ? {} : { tokenUses: random.pick([6, 12, 20]) }),
  };
}

/** Tokens may die faster than a pull of several layers side by side can get new ones. */
export function hasHastyTokens({ auth }: ChaosPlan): boolean {
  if (auth.mode === "none") return false;
  return (auth.tokenUses ?? Infinity) < 12 || (auth.tokenSeconds ?? 300) < 300;
}

export function referenceOf({ image, byDigest }: ChaosPlan, host: string): string {
  return `${host}/${REPOSITORY}${byDigest ? `@${image.digest}` : `:${image.name}`}`;
}

/** For people: everything that repeats it, in one line. */
export function describePlan(plan: ChaosPlan): string {
  const faults = plan.faults.map(({ row, at, times, skip }) => {
    const after = skip === 0 ? "" : ` after ${skip}`;
    return `${nameOfRow(row)} at the ${at} × ${times}${after}`;
  });
  const { auth } = plan;
  const parts = [
    `${plan.image.name} ${plan.image.platform}${plan.byDigest ? " by digest" : ""}`,
    plan.format,
    plan.hasOutput ? "--output" : "",
    plan.blobCache ? "blob cache" : "",
    plan.ranges ? "" : "no ranges",
    plan.byCommand ? "by tl" : "",
    plan.offLoopback ? "off loopback" : "",
    auth.mode === "none"
      ? "no tokens"
      : `tokens for ${auth.tokenSeconds} s and ${auth.tokenUses ?? "all"} requests`,
    plan.redirectBlobs ? `links for ${plan.linkUses ?? "all"} requests` : "",
    plan.bytesPerSecond === undefined ? "" : "slow",
    plan.hasMirror ? "mirror" : "",
    `${plan.weather}: ${faults.join("; ") || "nothing"}`,
  ];
  return parts.filter((part) => part !== "").join(", ");
}
