import fc from "fast-check";
import { expect, test } from "vitest";
import { choosePlatform, rankPlatform } from "../../src/oci/choose-platform.ts";
import type { Descriptor } from "../../src/oci/descriptor.ts";
import { OCI_MANIFEST } from "../../src/oci/media-types.ts";
import { parsePlatform } from "../../src/oci/parse-platform.ts";
import { digestOf } from "../../src/oci/verify-bytes.ts";

function entry(platform: string | undefined, annotations: Record<string, string> = {}): Descriptor {
  const parsed = platform === undefined ? {} : { platform: parsePlatform(platform) };
  const digest = digestOf(Buffer.from(platform ?? "none"));
  return { mediaType: OCI_MANIFEST, digest, sizeBytes: 1, annotations, ...parsed };
}

/** The offered platforms, best first, as containerd's Only() orders them. */
function order(wanted: string, offered: readonly string[]): readonly string[] {
  const ranked = offered.map((text) => ({
    text,
    rank: rankPlatform(parsePlatform(wanted), parsePlatform(text)),
  }));
  return ranked
    .flatMap(({ text, rank }) => (rank === undefined ? [] : [{ text, rank }]))
    .toSorted((a, b) => a.rank - b.rank)
    .map(({ text }) => text);
}

test("arm64/v9.2 takes its own line, then that of v8.7, then 32-bit arm", () => {
  const all = [
    "arm/v5",
    "arm/v8",
    "arm64/v8.8",
    "arm64",
    "arm64/v8.7",
    "arm64/v9",
    "arm64/v9.1",
    "arm64/v9.2",
    "arm64/v9.3",
  ];
  expect(
    order(
      "linux/arm64/v9.2",
      all.map((it) => `linux/${it}`),
    ),
  ).toEqual(
    ["arm64/v9.2", "arm64/v9.1", "arm64/v9", "arm64/v8.7", "arm64", "arm/v8", "arm/v5"].map(
      (it) => `linux/${it}`,
    ),
  );
});

test("amd64/v3 takes lower levels, then 386, never a higher one", () => {
  const all = ["linux/386", "linux/amd64/v4", "linux/amd64", "linux/amd64/v2", "linux/amd64/v3"];
  expect(order("linux/amd64/v3", all)).toEqual([
    "linux/amd64/v3",
    "linux/amd64/v2",
    "linux/amd64",
    "linux/386",
  ]);
});

test("a hostile variant does not become a list of a billion levels", () => {
  expect(order("linux/amd64/v999999999", ["linux/amd64", "linux/386"])).toEqual(["linux/386"]);
});

test.each(["arm64/v7", "arm64/v10", "arm64/v8.10"])(
  "%s, which is no variant, takes only itself",
  (it) => {
    const all = ["linux/arm64", "linux/arm/v7", "linux/arm/v5", `linux/${it}`];
    expect(order(`linux/${it}`, all)).toEqual([`linux/${it}`]);
  },
);

test("a Windows image may say that it needs win32k", () => {
  const image = "windows(10.0.20348+win32k)/amd64";
  expect(order("windows/amd64", [image])).toEqual([image]);
  expect(order("windows/amd64", ["windows(10.0.20348+hyperv)/amd64"])).toEqual([]);
  expect(order("linux/amd64", ["linux(+win32k)/amd64"])).toEqual([]);
});

test("features count as a subset of the wanted ones", () => {
  expect(order("linux(+erofs)/amd64", ["linux(+erofs)/amd64", "linux/amd64"])).toHaveLength(2);
  expect(order("linux/amd64", ["linux(+erofs)/amd64"])).toEqual([]);
});

test("attestations are neither fitting nor unmarked", () => {
  const attestation = { "vnd.docker.reference.type": "attestation-manifest" };
  const entries = [
    entry("unknown/unknown"),
    entry(undefined, attestation),
    entry("linux/amd64", attestation),
  ];
  expect(choosePlatform(entries, parsePlatform("linux/amd64"))).toEqual({
    fitting: [],
    unmarked: [],
  });
});

test("equal entries keep the order of the index", () => {
  const entries = [
    entry("linux/386"),
    entry("linux/amd64"),
    entry(undefined),
    entry("linux/amd64/v1"),
  ];
  const { fitting, unmarked } = choosePlatform(entries, parsePlatform("linux/amd64"));
  expect(fitting).toEqual([entries[1], entries[3], entries[0]]);
  expect(unmarked).toEqual([entries[2]]);
});

const platform = fc
  .tuple(
    fc.constantFrom("linux", "windows"),
    fc.constantFrom("amd64", "386", "arm", "arm64", "s390x"),
    fc.constantFrom("", "/v2", "/v6", "/v8", "/v8.2", "/v9"),
  )
  .map(([os, architecture, variant]) => parsePlatform(`${os}/${architecture}${variant}`));

test("a platform fits itself best, and nothing fits another operating system", () => {
  fc.assert(
    fc.property(platform, platform, (wanted, offered) => {
      expect(rankPlatform(wanted, wanted)).toBe(0);
      const rank = rankPlatform(wanted, { ...offered, os: "freebsd" });
      expect(rank).toBeUndefined();
    }),
  );
});

test("PLAT-3: of entries that fit as well, the one that uses more of the wanted features comes first", () => {
  const entries = ["linux/arm", "linux(+a)/arm", "linux(+a+b)/arm", "linux(+c)/arm"].map((it) =>
    entry(it),
  );
  const { fitting } = choosePlatform(entries, parsePlatform("linux(+a+b)/arm"));
  expect(fitting).toEqual([entries[2], entries[1], entries[0]]);
});
