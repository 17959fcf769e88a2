import { expect, test } from "vitest";
import { ROOT } from "../../src/cli/command-tree.ts";
import { importOptions } from "../../src/cli/commands/import.ts";
import { parseArguments } from "../../src/cli/parse-arguments.ts";
import { DEFAULT_LIMITS } from "../../src/index.ts";

function optionsOf(line: string): ReturnType<typeof importOptions> {
  const invocation = parseArguments(ROOT, ["sbx", "image", "import", "a", ...line.split(" ")]);
  if (invocation.kind !== "run") throw new Error(invocation.kind);
  return importOptions(invocation.args);
}

test("every option reaches the library under the SDK's name", () => {
  expect(
    optionsOf(
      "-n app --disk_mb 20480 --builder_disk_mb 4096 --cpus 1.5 --memory 512 -p --docker_compat --platform linux/arm64/v8 " +
        "--format dir --output ./out --plain-http --insecure --concurrency 3 --no-ranges --replace --dry-run --no-same-owner --no-fsync " +
        "--limit entries=7 --limit layers=9 --project p --timings --trace t.json " +
        "--mirror ghcr.io=https://a.example --mirror ghcr.io=https://b.example/x=y --registry-mirror http://c.example " +
        "--hosts-dir certs.d --registries-conf r.conf --use-docker-daemon-config",
    ),
  ).toEqual({
    timings: true,
    trace: "t.json",
    mirrors: { "ghcr.io": ["https://a.example", "https://b.example/x=y"] },
    registryMirrors: ["http://c.example"],
    hostsDir: "certs.d",
    registriesConf: "r.conf",
    useDockerDaemonConfig: true,
    registeredName: "app",
    diskMb: 20_480,
    builderDiskMb: 4096,
    cpus: 1.5,
    memoryMb: 512,
    isPublic: true,
    dockerCompat: true,
    platform: "linux/arm64/v8",
    format: "dir",
    output: "./out",
    plainHttp: true,
    insecure: true,
    concurrency: 3,
    ranges: false,
    replace: true,
    sameOwner: false,
    fsync: false,
    limits: { entries: 7, layers: 9 },
    project: "p",
  });
});

test("what is not given is absent, so that the library's defaults hold", () => {
  expect(optionsOf("--json")).toEqual({
    timings: false,
    isPublic: false,
    dockerCompat: false,
    plainHttp: false,
    insecure: false,
    ranges: true,
    replace: false,
    sameOwner: true,
    fsync: true,
    limits: {},
  });
});

test.each(["ghcr.io", "=https://a.example", "ghcr.io=", "ghcr.io/x=https://a.example"])(
  "--mirror %s is not HOST=URL",
  (pair) => {
    expect(() => optionsOf(`--mirror ${pair}`)).toThrow(`invalid value "${pair}" for --mirror`);
  },
);

test("an empty --registered-name is passed on: the library says that a name must not be empty", () => {
  expect(optionsOf("--registered-name=").registeredName).toBe("");
});

test.each([
  ["--cpus abc", /invalid value "abc" for --cpus/],
  ["--cpus 0", /greater than 0/],
  ["--cpus 1e999", /greater than 0/],
  ["--cpus Infinity", /greater than 0/],
  ["--cpus=", /invalid value "" for --cpus/],
  ["--disk_mb -5", /invalid value "-5" for --disk_mb: it must be a whole number/],
  ["--disk-mb 1.5", /whole number/],
  ["--output -", /tl sbx image export/],
  ["--disk-mb 0", /whole number/],
  ["--disk_mb 99999999999999999999", /whole number/],
  ["--memory 0x10", /whole number/],
  ["--memory 255", /for --memory: it must be a whole number, 256 or more/],
  ["--memory 1e3", /whole number/],
  ["--concurrency ٣", /whole number/],
  ["--output=", /--output: it must not be empty/],
  ["--format squashfs", /it must be one of ext4, erofs, dir, tar/],
  ["--disk_mb 16777217", /16 TiB/],
  ["--format zip", /it must be one of/],
  ["--limit entries", /NAME=VALUE with one of extensionHeaderBytes/],
  ["--limit entriess=5", /NAME=VALUE with one of/],
  ["--limit toString=5", /NAME=VALUE with one of/],
  ["--limit entries=0", /1 or more/],
  ["--limit entries=1 --limit entries=2", /--limit entries is given twice/],
])("`%s` is refused", (line, message) => {
  expect(() => optionsOf(line)).toThrow(message);
});

test("every limit can be named", () => {
  for (const name of Object.keys(DEFAULT_LIMITS)) {
    expect(optionsOf(`--limit ${name}=12`).limits).toEqual({ [name]: 12 });
  }
});
