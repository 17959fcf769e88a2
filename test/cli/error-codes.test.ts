import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { digestText } from "../support/digest-text.ts";
import { fileEntry, makeLayer, symlinkEntry, type LayerEntry } from "../support/make-layer.ts";
import { runTl, startTl } from "../support/run-tl.ts";
import type { Ended } from "../support/running-process.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { selfSignedCertificate } from "../support/self-signed-certificate.ts";
import type { Misbehaviour } from "../support/test-registry/faults.ts";
import type { TestLayer } from "../support/test-registry/test-image.ts";
import { startTestRegistry, type TestRegistry } from "../support/test-registry/test-registry.ts";

// Every error code, met by a command as a user would meet it; and each time the text is looked at.

/** What a row may use; each has a home of its own, which is its store too. */
interface Place {
  readonly home: string;
  readonly tl: (...args: readonly string[]) => Promise<Ended>;
  readonly env: Record<string, string>;
}

interface Row {
  /** What the message says: where, and why. */
  readonly says: RegExp;
  /** What its hint says, if there is anything that a user can do. */
  readonly hint?: RegExp;
  readonly run: (place: Place) => Promise<Ended>;
  readonly exitCode?: number;
}

const PASSWORD = "hunter2-secret";
const CERTIFICATE_NAMES = { names: ["127.0.0.1"] };

let registry: TestRegistry;
let locked: TestRegistry;
let secure: TestRegistry;
let good: TestLayer;

beforeAll(async () => {
  registry = await startTestRegistry();
  locked = await startTestRegistry({ auth: { mode: "basic", users: { alice: "another" } } });
  secure = await startTestRegistry({ tls: true });
  good = await makeLayer([fileEntry("etc/motd", "hello\n")]);
  await registry.addImage("app", "1", { layers: [good] });
});
afterAll(async () => {
  await Promise.all([registry, locked, secure].map((server) => server.close()));
});

function place(): Place {
  const home = scratchDirectory();
  const env: Record<string, string> = { HOME: home, ROOTLIFT_HOME: join(home, "store") };
  return { home, env, tl: (...args) => runTl(args, { home, env }) };
}

const IMPORT = ["import"];

async function importApp({ tl }: Place, ...args: readonly string[]): Promise<void> {
  const run = await tl(...IMPORT, `${registry.host}/app:1`, "--quiet", ...args);
  expect(run).toMatchObject({ exitCode: 0, stderr: "" });
}

/** Imports `app:1` after the registry's next answer of a kind went wrong. */
function withFault(on: "manifest" | "blob", fault: Misbehaviour, ...args: readonly string[]) {
  return async ({ tl }: Place): Promise<Ended> => {
    registry.faults.add({
      on,
      ...(on === "blob" ? { digest: digestText(good.bytes) } : {}),
      ...fault,
    });
    const run = await tl(...IMPORT, `${registry.host}/app:1`, ...args);
    registry.faults.clear();
    return run;
  };
}

/** Imports an image of one such layer. */
function withLayer(layer: () => Promise<TestLayer>, ...args: readonly string[]) {
  return async ({ tl }: Place): Promise<Ended> => {
    await registry.addImage("odd", "1", { layers: [await layer()] });
    return tl(...IMPORT, `${registry.host}/odd:1`, ...args);
  };
}

function withEntries(entries: readonly LayerEntry[], ...args: readonly string[]) {
  return withLayer(() => makeLayer(entries), ...args);
}

function snapshotOf({ env }: Place): string {
  return readdirSync(join(env["ROOTLIFT_HOME"] ?? "", "snapshots"))[0] ?? "";
}

const ROWS: Readonly<Record<string, Row>> = {
  ERR_REFERENCE_INVALID: {
    says: /"ghcr\.io\/Team\/App:1".*lower/,
    run: ({ tl }) => tl(...IMPORT, "ghcr.io/Team/App:1"),
  },
  ERR_CONFIG_INVALID: {
    says: /\/no\/such\.conf/,
    hint: /./,
    run: ({ tl }) => tl(...IMPORT, "app", "--registries-conf", "/no/such.conf"),
  },
  ERR_OPTION_INVALID: {
    says: /SOURCE_DATE_EPOCH is soon, it must be a whole number of seconds/,
    run: (at) => {
      at.env["SOURCE_DATE_EPOCH"] = "soon";
      return at.tl(...IMPORT, "app");
    },
  },
  ERR_NOT_PERMITTED: {
    says: /"app" is a public image of project "default"/,
    hint: /Remove it in that project/,
    run: async (at) => {
      await importApp(at, "--public");
      return at.tl("rm", "app", "--project", "other");
    },
  },
  ERR_OUTPUT_EXISTS: {
    says: /taken\.ext4/,
    hint: /Name another place/,
    run: (at) => {
      const output = join(at.home, "taken.ext4");
      writeFileSync(output, "mine");
      return at.tl(...IMPORT, `${registry.host}/app:1`, "--output", output);
    },
  },
  ERR_CANCELLED: {
    says: /cancelled by SIGINT/,
    hint: /Nothing was registered/,
    exitCode: 130,
    run: async ({ env }) => {
      registry.faults.add({ on: "manifest", kind: "silence" });
      const running = startTl([...IMPORT, `${registry.host}/app:1`], {
        home: env["HOME"] ?? "",
        env,
      });
      await running.stderrHas(/Resolving/);
      running.kill("SIGINT");
      const ended = await running.ended;
      registry.faults.clear();
      return ended;
    },
  },
  ERR_AUTH_REQUIRED: {
    says: /127\.0\.0\.1:\d+.*team\/app:1/,
    hint: /docker login/,
    run: ({ tl }) => tl(...IMPORT, `${locked.host}/team/app:1`),
  },
  ERR_AUTH_DENIED: {
    says: /127\.0\.0\.1:\d+.*team\/app:1/,
    hint: /ROOTLIFT_USERNAME/,
    run: (at) => {
      at.env["ROOTLIFT_USERNAME"] = "alice";
      at.env["ROOTLIFT_PASSWORD"] = PASSWORD;
      return at.tl(...IMPORT, `${locked.host}/team/app:1`);
    },
  },
  ERR_CREDENTIAL_HELPER: {
    says: /docker-credential-none \(credsStore of .*\) is not installed/,
    hint: /./,
    run: (at) => {
      mkdirSync(join(at.home, ".docker"));
      writeFileSync(join(at.home, ".docker/config.json"), JSON.stringify({ credsStore: "none" }));
      return at.tl(...IMPORT, `${locked.host}/team/app:1`);
    },
  },
  ERR_IMAGE_NOT_FOUND: {
    says: /127\.0\.0\.1:\d+.*app:none/,
    hint: /./,
    run: ({ tl }) => tl(...IMPORT, `${registry.host}/app:none`),
  },
  ERR_RATE_LIMITED: {
    says: /app:1/,
    hint: /./,
    run: withFault("manifest", { kind: "status", status: 429, headers: { "retry-after": "3600" } }),
  },
  ERR_REGISTRY_UNAVAILABLE: {
    says: /answered 503.*app:1/,
    hint: /./,
    run: withFault("manifest", { kind: "status", status: 503 }, "--retries", "0"),
  },
  ERR_REGISTRY_PROTOCOL: {
    says: /answered 418.*app:1/,
    hint: /./,
    run: withFault("manifest", { kind: "status", status: 418 }),
  },
  ERR_REDIRECT_REFUSED: {
    says: /169\.254\.169\.254.*app:1/,
    hint: /./,
    run: withFault("manifest", { kind: "redirect", location: "http://169.254.169.254/latest" }),
  },
  ERR_TLS: {
    says: /127\.0\.0\.1:\d+.*certificate/,
    hint: /--insecure/,
    run: (at) => {
      const trust = join(at.home, ".config/containers/certs.d", secure.host);
      mkdirSync(trust, { recursive: true });
      writeFileSync(join(trust, "ca.crt"), selfSignedCertificate(CERTIFICATE_NAMES).certificatePem);
      return at.tl(...IMPORT, `${secure.host}/app:1`);
    },
  },
  ERR_NETWORK: {
    says: /127\.0\.0\.1:1: the connection was refused/,
    hint: /./,
    run: ({ tl }) => tl(...IMPORT, "127.0.0.1:1/app:1", "--retries", "0"),
  },
  ERR_TIMEOUT: {
    says: /127\.0\.0\.1:\d+: no answer for 0\.3 s.*app:1/,
    hint: /./,
    run: withFault("manifest", { kind: "silence" }, "--stall-timeout", "0.3", "--retries", "0"),
  },
  ERR_PLATFORM_NOT_FOUND: {
    says: /app:1.*linux\/s390x.*linux\/amd64|linux\/amd64.*linux\/s390x/,
    hint: /./,
    run: ({ tl }) => tl(...IMPORT, `${registry.host}/app:1`, "--platform", "linux/s390x"),
  },
  ERR_MANIFEST_INVALID: {
    says: /hollow:1/,
    run: ({ tl }) => {
      const type = "application/vnd.oci.image.manifest.v1+json";
      registry.addManifest("hollow", "1", Buffer.from('{"schemaVersion":2}'), type);
      return tl(...IMPORT, `${registry.host}/hollow:1`);
    },
  },
  ERR_UNSUPPORTED_MEDIA_TYPE: {
    says: /odd:1.*helm/,
    hint: /./,
    run: withLayer(async () => ({
      ...good,
      mediaType: "application/vnd.cncf.helm.chart.content.v1",
    })),
  },
  ERR_ARCHIVE_INVALID: {
    says: /archive\.tar/,
    run: (at) => {
      const archive = join(at.home, "archive.tar");
      writeFileSync(archive, "this is no archive at all".repeat(100));
      return at.tl(...IMPORT, `oci-archive:${archive}`);
    },
  },
  ERR_DIGEST_MISMATCH: {
    says: /layer 1 of 1 of .*app:1/,
    run: withFault("blob", { kind: "flip", atByte: 30 }),
  },
  ERR_DIFF_ID_MISMATCH: {
    says: /layer 1 of 1 of .*odd:1/,
    run: withLayer(async () => ({ ...good, diffId: digestText(Buffer.from("another")) })),
  },
  ERR_SIZE_MISMATCH: {
    says: /layer 1 of 1 of .*app:1/,
    run: withFault("blob", { kind: "append", bytes: 10 }),
  },
  ERR_LAYER_TRUNCATED: {
    says: /layer 1 of 1 of .*odd:1/,
    run: withLayer(async () => ({ ...good, bytes: good.bytes.subarray(0, -20) })),
  },
  ERR_LAYER_CORRUPT: {
    says: /layer 1 of 1 of .*odd:1/,
    run: withLayer(async () => {
      const text = Buffer.from("no archive ".repeat(200));
      return { ...good, bytes: gzipSync(text), diffId: digestText(text) };
    }),
  },
  ERR_PATH_ESCAPE: {
    says: /layer 1 of 1 of .*odd:1.*\.\.\/x/,
    run: withEntries([fileEntry("../x", "out")]),
  },
  ERR_NAME_TOO_LONG: {
    says: /layer 1 of 1 of .*odd:1.*nnn/,
    run: withEntries([fileEntry("n".repeat(300), "long")]),
  },
  ERR_LINK_TARGET_MISSING: {
    says: /layer 1 of 1 of .*odd:1.*nowhere/,
    run: withEntries([{ name: "link", type: "link", linkname: "nowhere" }]),
  },
  ERR_LINK_LOOP: {
    says: /layer 1 of 1 of .*odd:1/,
    run: withEntries([symlinkEntry("a", "b"), symlinkEntry("b", "a"), fileEntry("a/x", "")]),
  },
  ERR_NOT_A_DIRECTORY: {
    says: /layer 1 of 1 of .*odd:1/,
    run: withEntries([fileEntry("a", ""), fileEntry("a/b", "")]),
  },
  ERR_LIMIT_EXCEEDED: {
    says: /odd:1/,
    hint: /--limit entries=/,
    run: withEntries([fileEntry("a", ""), fileEntry("b", "")], "--limit", "entries=1"),
  },
  ERR_NAME_TAKEN: {
    says: /"app"/,
    hint: /--replace/,
    run: async (at) => {
      await importApp(at);
      return at.tl(...IMPORT, `${registry.host}/app:1`);
    },
  },
  ERR_NAME_INVALID: {
    says: /the name to register the image under is empty/,
    hint: /Leave the name out/,
    run: ({ tl }) => tl(...IMPORT, `${registry.host}/app:1`, "-n", " "),
  },
  ERR_NOT_FOUND: {
    says: /nobody/,
    hint: /tl sbx image ls/,
    run: ({ tl }) => tl("describe", "nobody"),
  },
  ERR_SNAPSHOT_NOT_COMPLETED: {
    says: /snapshot snap_\w+ has lost its root filesystem: .*rootfs\.ext4 is not there/,
    hint: /Import the image again/,
    run: async (at) => {
      await importApp(at);
      const id = snapshotOf(at);
      rmSync(join(at.env["ROOTLIFT_HOME"] ?? "", "snapshots", id, "rootfs.ext4"));
      const dockerfile = join(at.home, "Dockerfile");
      writeFileSync(dockerfile, "FROM scratch\n");
      return at.tl("register", "second", id, "--dockerfile", dockerfile);
    },
  },
  ERR_SNAPSHOT_DAMAGED: {
    says: /app/,
    hint: /./,
    run: async (at) => {
      await importApp(at);
      const home = at.env["ROOTLIFT_HOME"] ?? "";
      const path = join(home, "snapshots", snapshotOf(at), "rootfs.ext4");
      writeFileSync(path, "damage", { flag: "r+" });
      const run = await at.tl("verify", "app");
      return { ...run, stdout: "" };
    },
  },
  ERR_SNAPSHOT_UNSUPPORTED: {
    says: /app/,
    hint: /./,
    run: async (at) => {
      await importApp(at, "--format", "dir", "--no-same-owner");
      return at.tl("verify", "app");
    },
  },
  ERR_STORE_NEWER: {
    says: /catalog\.db has schema version 99, this rootlift knows up to \d+/,
    hint: /Use the newer rootlift/,
    run: async (at) => {
      await at.tl("ls");
      const database = new DatabaseSync(join(at.env["ROOTLIFT_HOME"] ?? "", "catalog.db"));
      database.exec("PRAGMA user_version = 99");
      database.close();
      return at.tl("ls");
    },
  },
  ERR_STORE_CORRUPT: {
    says: /catalog\.db is damaged/,
    hint: /tl store check --repair/,
    run: async (at) => {
      await importApp(at);
      writeFileSync(join(at.env["ROOTLIFT_HOME"] ?? "", "catalog.db"), "garbage ".repeat(2000));
      return at.tl("ls");
    },
  },
  ERR_STORE_IO: {
    says: /store.*not a directory/,
    hint: /ROOTLIFT_HOME/,
    run: (at) => {
      writeFileSync(join(at.home, "store"), "");
      return at.tl("ls");
    },
  },
  ERR_OUTPUT_IO: {
    says: /cannot make \/proc\/none/,
    hint: /choose another place/,
    run: async (at) => {
      await importApp(at);
      return at.tl("export", "app", "--output", "/proc/none/app.tar");
    },
  },
  ERR_DISK_FULL: {
    says: /1 MiB/,
    hint: /builder_disk_mb/,
    run: withEntries([fileEntry("big", Buffer.alloc(3 << 20, "x"))], "--builder_disk_mb", "1"),
  },
  ERR_DISK_TOO_SMALL: {
    says: /MiB/,
    hint: /--disk_mb/,
    run: withEntries([fileEntry("big", Buffer.alloc(3 << 20, "x"))], "--disk_mb", "1"),
  },
  ERR_WORKER_FAILED: {
    says: /worker/,
    run: (at) => {
      // A thread that dies, as it does when the machine kills it: no code of ours has a part in it.
      const dies =
        'import{isMainThread as m}from"node:worker_threads";m||setImmediate(()=>process.exit(7))';
      at.env["NODE_OPTIONS"] = `--import "data:text/javascript,${encodeURIComponent(dies)}"`;
      return at.tl(...IMPORT, `${registry.host}/app:1`);
    },
  },
};

test("there is a row for every code", () => {
  const source = readFileSync(resolve(import.meta.dirname, "../../src/errors.ts"), "utf8");
  const type = source.slice(source.indexOf("export type ErrorCode"), source.indexOf(";\n"));
  const codes = [...type.matchAll(/"(ERR_\w+)"/g)].map(([, code = ""]) => code);
  expect(Object.keys(ROWS).toSorted()).toEqual(codes.toSorted());
});

/** What follows the message: its causes, and the hint. */
interface ErrorText {
  readonly message: string;
  readonly hints: readonly string[];
  readonly strangers: readonly string[];
}

/** @throws Error unless there is exactly one error */
function errorTextOf(stderr: string): ErrorText {
  const lines = stderr.trimEnd().split("\n");
  const [at = -1, another] = lines.flatMap((line, index) =>
    line.startsWith("Error: ") ? [index] : [],
  );
  const message = lines[at];
  if (message === undefined || another !== undefined)
    throw new Error(`no single error:\n${stderr}`);
  const after = lines.slice(at + 1);
  return {
    message,
    hints: after.filter((line) => !line.startsWith("  Caused by: ")),
    strangers: after.filter((line) => !line.startsWith("  ")),
  };
}

test.each(Object.entries(ROWS))("%s", async (code, { says, hint, run, exitCode = 1 }) => {
  const ended = await run(place());
  const { message, hints, strangers } = errorTextOf(ended.stderr);
  expect({ ...ended, stderr: message }).toMatchObject({
    exitCode,
    stdout: "",
    stderr: expect.stringMatching(new RegExp(String.raw` \[${code}\]$`)),
  });
  expect(message).toMatch(says);
  expect(strangers).toEqual([]);
  // One hint, which is a sentence, or ends with the command to type.
  expect(hints.length).toBeLessThanOrEqual(1);
  expect(hints.filter((line) => !/^ {2}\S.*([.?]|: tl .*)$/.test(line))).toEqual([]);
  expect(hints.join("\n")).toMatch(hint ?? /^/);
  // No stack, nothing that a terminal would obey, no secret.
  expect(ended.stderr).not.toMatch(/\n\s+at |node:internal|\bundefined\b|\[object/);
  expect(ended.stderr.replaceAll("\n", "").replaceAll("\uFE0F", "")).not.toMatch(/\p{C}/u);
  expect(ended.stderr).not.toContain(PASSWORD);
});
