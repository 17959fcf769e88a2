import fc from "fast-check";
import type { Json, JsonObject } from "../case-kit/case-json.ts";
import { imageOf, type ImagePlan } from "./image-plan.ts";

/** An image as the case kit writes it, with the disk to put it on; as JSON it goes into a case file to be run again. */
export interface RandomImage {
  readonly diskMb: number;
  readonly fields: JsonObject;
}

/** Bytes as latin1: no NUL, no slash. */
const anyBytes = (maxLength: number): fc.Arbitrary<string> =>
  fc
    .uint8Array({ minLength: 1, maxLength })
    .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0x5f : byte))))
    .map((bytes) => bytes.toString("latin1"));

const component: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: fc.stringMatching(/^[a-zA-Z0-9._ -]{1,14}$/) },
  { weight: 2, arbitrary: anyBytes(40) },
  { weight: 1, arbitrary: anyBytes(20).map((text) => text.repeat(255).slice(0, 254)) },
  { weight: 1, arbitrary: fc.constantFrom("größe", "文件", "\u{1f680}").map(latin1) },
);

const ids = fc.oneof(
  fc.constantFrom(0, 1, 1000, 65_534, 65_535, 65_536, 2 ** 31, 2 ** 32 - 2),
  fc.nat(100_000),
);

/**
 * ext4 holds −2^31 … 2^34 − 2^31 − 1; what lies outside is moved to the ends. From 2310-04-04 to 2378-04-22 e2fsck takes
 * times for others that were written wrongly, so an image does not have them, and the directory does: none here.
 */
const seconds = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 2 ** 31 - 1 }) },
  { weight: 1, arbitrary: fc.integer({ min: -(2 ** 31) + 1, max: 2 ** 33 + 2 ** 31 - 1 }) },
  { weight: 1, arbitrary: fc.integer({ min: 2 ** 33 + 2 ** 32, max: 2 ** 34 - 2 ** 31 - 2 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(-1, 0, 2 ** 31, 2 ** 32, 2 ** 33, -(10 ** 11), 10 ** 12),
  },
);
const times = fc
  .tuple(seconds, fc.oneof(fc.constantFrom(0, 1, 999_999_999), fc.nat(999_999_999)))
  .map(([whole, nanoseconds]) => `${whole}.${String(nanoseconds).padStart(9, "0")}`);

const hex = (maxLength: number): fc.Arbitrary<Json> =>
  fc.uint8Array({ maxLength }).map((bytes) => ({ hex: Buffer.from(bytes).toString("hex") }));

/** Together below what one block of a file system with 4 KiB blocks holds. */
const xattrs: fc.Arbitrary<JsonObject> = fc.oneof(
  { weight: 6, arbitrary: fc.constant({}) },
  {
    weight: 3,
    arbitrary: fc.dictionary(
      fc
        .tuple(
          fc.constantFrom("user.", "security."),
          fc.stringMatching(/^[a-z][a-z0-9._é-]{0,20}$/),
        )
        .map((parts) => parts.join("")),
      hex(60),
      { maxKeys: 30, noNullPrototype: true },
    ),
  },
  { weight: 1, arbitrary: hex(3900).map((value) => ({ "user.large": value })) },
);

const attributes = fc.record({
  mode: fc.oneof(fc.constantFrom(0o644, 0o755, 0o4755, 0o1777, 0), fc.nat(0o7777)),
  uid: ids,
  gid: ids,
  mtime: times,
  xattrs,
  acl: fc
    .boolean()
    .chain((maybe) => (maybe ? fc.nat(9) : fc.constant(1)))
    .map((draw) => draw === 0),
});

const unit = fc.stringMatching(/^[a-z0-9]{1,13}$/);
const pieces = fc.array(
  fc.record({
    unit: fc.option(unit, { nil: undefined }),
    sizeBytes: fc.oneof(fc.nat(9000), fc.nat(300_000), fc.constantFrom(4096, 65_536, 131_072)),
  }),
  { minLength: 1, maxLength: 8 },
);

const body = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("fill" as const), unit, sizeBytes: fc.nat(9000) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("fill" as const),
      unit,
      sizeBytes: fc.oneof(fc.constantFrom(0, 1, 4095, 4096, 4097, 8192), fc.nat(3_000_000)),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("pieces" as const), pieces }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("sparse" as const),
      segments: fc.array(fc.tuple(fc.nat(2_000_000), fc.nat(20_000)), { maxLength: 12 }),
      tailBytes: fc.nat(3_000_000),
      unit,
    }),
  },
);

const linkTarget = fc.oneof(
  fc
    .constantFrom(1, 58, 59, 60, 61, 255, 4095)
    .map((length) => "t/".repeat(length).slice(0, length)),
  anyBytes(80),
);

const parent = fc.nat(1000);
const item = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constant("file" as const),
      parent,
      name: component,
      attributes,
      body,
      links: fc.array(fc.record({ parent, name: component }), { maxLength: 3 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("symlink" as const),
      parent,
      name: component,
      attributes,
      target: linkTarget,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constantFrom("char" as const, "block" as const, "fifo" as const),
      parent,
      name: component,
      attributes,
      device: fc.tuple(
        fc.constantFrom(0, 1, 8, 255, 256, 4095),
        fc.constantFrom(0, 3, 255, 256, 65_536, 2 ** 20 - 1),
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant("whiteout" as const), victim: fc.nat(1000) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("directory" as const),
      parent,
      name: component,
      attributes,
    }),
  },
);

const plan: fc.Arbitrary<ImagePlan> = fc.record({
  layers: fc.array(
    fc.record({
      compression: fc.constantFrom("gzip" as const, "zstd" as const, "none" as const),
      items: fc.array(item, { maxLength: 40, size: "max" }),
    }),
    { minLength: 1, maxLength: 4, size: "max" },
  ),
  root: fc.option(attributes, { nil: undefined }),
  /** A chain this deep. */
  depth: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(80) }),
  /** A directory with so many names of this length more. */
  wide: fc.oneof(
    { weight: 3, arbitrary: fc.constant({ names: 0, length: 0 }) },
    { weight: 1, arbitrary: fc.record({ names: fc.nat(2500), length: fc.nat(240) }) },
  ),
  /** A file with so many names. */
  links: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(1500) }),
  /** A file of so many MiB in every layer: they are placed side by side. */
  largeMib: fc.oneof(
    { weight: 4, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.nat(12) },
  ),
});

export const randomImage: fc.Arbitrary<RandomImage> = fc
  .record({ diskMb: fc.constantFrom(16, 64, 128, 129, 257, 1000, 10_240, 10_241), plan })
  .map(({ diskMb, plan: made }) => ({ diskMb, fields: imageOf(made) }));

function latin1(text: string): string {
  return Buffer.from(text).toString("latin1");
}
