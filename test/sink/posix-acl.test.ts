import fc from "fast-check";
import { expect, test } from "vitest";
import { ext4Acl } from "../../src/sink/ext4/ext4-acl.ts";
import { checkAcl, kernelAcl } from "../../src/sink/posix-acl.ts";
import { aclBytes } from "../support/xattr-values.ts";

type Entry = readonly [tag: number, permissions: number, id: number];

const NOBODY = 0xffff_ffff;
const [USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER] = [1, 2, 4, 8, 0x10, 0x20];

const BASIC: readonly Entry[] = [
  [USER_OBJ, 7, NOBODY],
  [GROUP_OBJ, 5, NOBODY],
  [OTHER, 1, NOBODY],
];

/** `posix_acl_valid` of the kernel (fs/posix_acl.c), as the state machine that it is. */
function kernelAccepts(entries: readonly Entry[]): boolean {
  let state = USER_OBJ;
  let needsMask = false;
  for (const [tag, permissions, id] of entries) {
    if (permissions > 7) return false;
    if (tag === USER_OBJ && state === USER_OBJ) state = USER;
    else if (tag === USER && state === USER && id !== NOBODY) needsMask = true;
    else if (tag === GROUP_OBJ && state === USER) state = GROUP;
    else if (tag === GROUP && state === GROUP && id !== NOBODY) needsMask = true;
    else if (tag === MASK && state === GROUP) state = OTHER;
    else if (tag === OTHER && (state === OTHER || (state === GROUP && !needsMask))) state = 0;
    else return false;
  }
  return state === 0;
}

const NAMED: readonly Entry[] = [
  [USER_OBJ, 6, NOBODY],
  [USER, 7, 1000],
  [GROUP_OBJ, 4, NOBODY],
  [MASK, 5, NOBODY],
  [OTHER, 0, NOBODY],
];

test("ext4 keeps ids for named users and groups only", () => {
  const acl = checkAcl(aclBytes(NAMED), "access");
  expect(Buffer.from(ext4Acl(acl?.entries ?? [])).toString("hex")).toBe(
    ["01000000", "01000600", "02000700e8030000", "04000400", "10000500", "20000000"].join(""),
  );
  expect(acl?.permissions).toBe(0o650);
});

test("the kernel's form comes back, with no id where none belongs", () => {
  const odd = NAMED.map(([tag, permissions, id]): Entry => [
    tag,
    permissions,
    tag === USER ? id : 7,
  ]);
  const acl = checkAcl(aclBytes(odd), "access");
  expect(Buffer.from(kernelAcl(acl?.entries ?? [])).equals(aclBytes(NAMED))).toBe(true);
});

test("one with the three basic entries is the mode; as a default it is stored", () => {
  expect(checkAcl(aclBytes(BASIC), "access")).toEqual({ entries: undefined, permissions: 0o751 });
  expect(checkAcl(aclBytes(BASIC), "default")?.entries?.length).toBe(3);
});

test.each([
  ["nothing", Buffer.of()],
  ["a header alone", aclBytes([])],
])("%s is no ACL", (_, value) => {
  expect(checkAcl(value, "access")).toEqual({ entries: undefined, permissions: undefined });
});

test.each([
  ["another version", aclBytes(BASIC, 1)],
  ["half an entry", aclBytes(BASIC).subarray(0, -4)],
  ["half a header", Buffer.of(2, 0)],
])("%s is refused", (_, value) => {
  expect(checkAcl(value, "access")).toBeUndefined();
});

test("what the kernel refuses is refused, and nothing else", () => {
  const tags = fc.constantFrom(USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER, 0, 64);
  const permissions = fc.oneof({ weight: 20, arbitrary: fc.nat(7) }, fc.constant(8));
  const ids = fc.oneof({ weight: 9, arbitrary: fc.nat(99) }, fc.constant(NOBODY));
  const anyEntries = fc.array(fc.tuple(tags, permissions, ids), { minLength: 1, maxLength: 7 });
  const nearlyValid = anyEntries.map((entries) =>
    [...BASIC, ...entries].toSorted(([left], [right]) => left - right),
  );
  fc.assert(
    fc.property(fc.oneof(anyEntries, nearlyValid), (entries) => {
      expect(checkAcl(aclBytes(entries), "default") !== undefined).toBe(kernelAccepts(entries));
    }),
    { numRuns: 2000 },
  );
});
