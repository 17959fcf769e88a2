import fc from "fast-check";
import { expect, test } from "vitest";
import { HalfMd4 } from "../../../src/sink/ext4/half-md4.ts";
import { TEST_IDENTITY } from "../../support/ext4-image.ts";
import { mustRun } from "../../support/run-program.ts";

const SEED = TEST_IDENTITY.hashSeed;

function hashOf(name: Uint8Array, seed: Uint8Array = SEED): string {
  const hash = new HalfMd4(seed);
  const padded = Buffer.concat([Buffer.from("before"), name, Buffer.from("after")]);
  hash.hash(padded, 6, name.length);
  return `0x${hash.major.toString(16).padStart(8, "0")} 0x${hash.minor.toString(16).padStart(8, "0")}`;
}

/** debugfs prints the minor hash without leading zeros. */
function unpadded(text: string): string {
  return text.replaceAll(/0x0*(?=[0-9a-f])/g, "0x");
}

test.each([
  ["abc", Buffer.from("abc"), "0x0c02d1ce 0x907cfd95"],
  ["entry-00001", Buffer.from("entry-00001"), "0xc85d5c5e 0x24bd9614"],
  [
    "bytes from 0x80 on",
    Buffer.concat([Buffer.from("ünïcödé-文件-1"), Buffer.of(0xff)]),
    "0x97bb0396 0x7f99b752",
  ],
  ["100 × n", Buffer.from("n".repeat(100)), "0xfe113eb8 0x7a02e236"],
])("the hash of %s is that of debugfs", (_, name, expected) => {
  expect(hashOf(name)).toBe(expected);
});

test("names of any length hash as debugfs hashes them, with a seed and with none", async () => {
  const names = fc.sample(fc.stringMatching(/^[A-Za-z0-9._äöü文][A-Za-z0-9._+äöü文-]{0,59}$/), {
    numRuns: 40,
    seed: 4,
  });
  const lengths = [1, 3, 4, 31, 32, 33, 63, 64, 65, 255].map((length) => "x".repeat(length));
  for (const [seed, uuid] of [
    [SEED, "6a1c1d7e-0000-4000-8000-000000000002"],
    [new Uint8Array(16), "00000000-0000-0000-0000-000000000000"],
  ] as const) {
    const asked = [...names, ...lengths];
    const commands = asked.map((name) => `dx_hash -h half_md4 -s ${uuid} ${name}`);
    const said = await mustRun("sh", [
      "-c",
      'printf "%s\\n" "$@" | debugfs -f -',
      "sh",
      ...commands,
    ]);
    const theirs = [...said.matchAll(/is (0x[0-9a-f]+) \(minor (0x[0-9a-f]+)\)/g)].map(
      ([, major, minor]) => `${major} ${minor}`,
    );
    expect(theirs.map(unpadded)).toEqual(
      asked.map((name) => unpadded(hashOf(Buffer.from(name), seed))),
    );
  }
});
