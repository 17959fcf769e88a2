import fc from "fast-check";
import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { deviceNumber } from "../../src/sink/posix.ts";

test("device numbers of 12 and 20 bits are encoded as the C library does", () => {
  fc.assert(
    fc.property(fc.nat(0xfff), fc.nat(0xfffff), (major, minor) => {
      const device = BigInt(deviceNumber(major, minor) ?? -1);
      // gnu_dev_major and gnu_dev_minor (sys/sysmacros.h).
      expect(Number((device >> 8n) & 0xfffn)).toBe(major);
      expect(Number((device & 0xffn) | ((device >> 12n) & 0xfff00n))).toBe(minor);
    }),
  );
});

test("device numbers beyond those have no encoding", () => {
  expect(deviceNumber(0x1000, 0)).toBeUndefined();
  expect(deviceNumber(0, 0x100000)).toBeUndefined();
});

test("without koffi's binary the calls are not available, and importing the module still works", () => {
  const program = `
    import { registerHooks } from "node:module";
    registerHooks({
      resolve(specifier, context, next) {
        if (specifier === "koffi") throw new Error("no binary for this machine");
        return next(specifier, context);
      },
    });
    const { posixAvailable } = await import(${JSON.stringify(new URL("../../src/sink/posix.ts", import.meta.url).href)});
    const { createDirectorySink } = await import(${JSON.stringify(new URL("../../src/sink/directory/directory-sink.ts", import.meta.url).href)});
    const sink = createDirectorySink({ rootfsPath: "/nowhere/rootfs", sameOwner: false });
    const error = await sink.prepare().catch((reason) => reason);
    await sink.abort();
    process.stdout.write(JSON.stringify([posixAvailable(), error.code, error.hint]));
  `;
  const output = execFileSync(process.execPath, ["--input-type=module", "-e", program], {
    encoding: "utf8",
  });
  expect(JSON.parse(output)).toEqual([
    false,
    "ERR_NOT_PERMITTED",
    expect.stringContaining("optional dependencies"),
  ]);
});
