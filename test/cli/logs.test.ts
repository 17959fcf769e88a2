import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fileEntry, makeLayer } from "../support/make-layer.ts";
import type { Ended } from "../support/running-process.ts";
import { runSource } from "../support/run-tl.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { startedRegistry } from "../support/started-registry.ts";
import type { TestLayer } from "../support/test-registry/test-image.ts";
import { startTestRegistry, type TestRegistry } from "../support/test-registry/test-registry.ts";

const USER = "alice";
const PASSWORD = "hunter2:with:colons";
const LOGIN = Buffer.from(`${USER}:${PASSWORD}`).toString("base64");
/** Of the token server, and of the signed URLs that blobs are redirected to. */
const SECRETS = [PASSWORD, LOGIN, "hunter2", "fake-token-", "X-Sig", "Bearer fake"];

let layer: TestLayer;
let registry: TestRegistry;

beforeAll(async () => {
  layer = await makeLayer([fileEntry("etc/motd", "private\n")]);
  registry = await startTestRegistry({
    auth: { mode: "bearer", users: { [USER]: PASSWORD } },
    redirectBlobs: true,
  });
  await registry.addImage("team/app", "1", { layers: [layer] });
});
afterAll(() => registry.close());

/** `tl sbx image …` of somebody who has logged in; no secret may come out, whatever happens. */
async function tl(host: string, ...args: readonly string[]): Promise<Ended> {
  const home = scratchDirectory();
  mkdirSync(join(home, ".docker"));
  const config = { auths: { [host]: { auth: LOGIN } } };
  writeFileSync(join(home, ".docker/config.json"), JSON.stringify(config));
  const run = await runSource(["sbx", "image", ...args], { HOME: home, XDG_DATA_HOME: "" });
  for (const secret of SECRETS) expect(run.stdout + run.stderr).not.toContain(secret);
  return run;
}

interface LogLine {
  readonly time: string;
  readonly level: string;
  readonly event: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

/** Every line of stderr is one of them. */
function logOf({ stderr }: Ended): readonly LogLine[] {
  expect(stderr.endsWith("\n")).toBe(true);
  return stderr
    .trimEnd()
    .split("\n")
    .map((text) => {
      const line: LogLine = JSON.parse(text);
      expect(line).toMatchObject({
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
        level: expect.stringMatching(/^(debug|info|warn|error)$/),
        event: expect.stringMatching(/^[a-z_]+$/),
        message: expect.stringMatching(/./),
      });
      return line;
    });
}

test("--verbose tells each request: method, URL without its query, status, bytes, time", async () => {
  const run = await tl(registry.host, "import", `${registry.host}/team/app:1`, "--verbose");
  expect(run).toMatchObject({ exitCode: 0, stdout: "" });
  const requests = run.stderr.split("\n").filter((text) => /⚙️ {2}(GET|POST) /.test(text));
  const url = registry.url;
  const inTime = String.raw`, \d\S* \w+ in .+$`;
  for (const [address, status] of [
    [`${url}/v2/team/app/manifests/1`, 401],
    [`${url}/token?…`, 200],
    [`${url}/v2/team/app/manifests/1`, 200],
    [`${url}/v2/team/app/blobs/sha256:[0-9a-f]+`, 307],
    [`${registry.cdnUrl}/data/sha256:[0-9a-f]+?…`, 200],
  ] as const) {
    const wanted = address.replaceAll(/[.?]/g, String.raw`\$&`);
    expect(requests).toContainEqual(
      expect.stringMatching(new RegExp(`GET ${wanted}: ${status}${inTime}`)),
    );
  }
  const quiet = await tl(registry.host, "import", `${registry.host}/team/app:1`);
  expect(quiet.stderr).not.toContain("GET ");
});

test("--log-format json: every line of stderr is an object that a program can read", async () => {
  const reference = `${registry.host}/team/app:1`;
  const args = ["--log-format", "json", "--json", "--timings", "--verbose"];
  const run = await tl(registry.host, "import", reference, ...args);
  expect(run.exitCode).toBe(0);
  expect(JSON.parse(run.stdout)).toMatchObject({ name: "app" });
  const log = logOf(run);
  const kinds = log.map(({ event }) => event);
  for (const kind of [
    "status",
    "resolved",
    "request",
    "phase",
    "layer_progress",
    "timings",
    "image_registered",
    "done",
  ]) {
    expect(kinds).toContain(kind);
  }
  expect(log.find(({ event }) => event === "resolved")).toMatchObject({
    level: "info",
    reference,
    layers: [{ sizeBytes: layer.bytes.length }],
  });
  expect(log.filter(({ event }) => event === "request")).toContainEqual({
    time: expect.any(String),
    level: "debug",
    event: "request",
    message: expect.stringContaining("GET "),
    method: "GET",
    url: expect.stringMatching(/\/data\/sha256:[0-9a-f]+\?…$/),
    status: 200,
    receivedBytes: layer.bytes.length,
    durationMs: expect.any(Number),
  });
});

test("--log-format json: what went wrong is the last line, with what --json says of it", async () => {
  const host = registry.host;
  const missing = `${host}/team/app:none`;
  const failed = await tl(host, "import", missing, "--log-format=json", "--quiet", "--json");
  expect(failed).toMatchObject({ exitCode: 1, stdout: "" });
  expect(logOf(failed)).toEqual([
    expect.objectContaining({
      level: "error",
      event: "error",
      message: expect.stringContaining(missing),
      error: expect.objectContaining({ code: "ERR_IMAGE_NOT_FOUND", hint: expect.any(String) }),
    }),
  ]);

  const debug = await tl(host, "import", missing, "--log-format=json", "--debug");
  expect(logOf(debug).at(-1)).toMatchObject({ debug: expect.arrayContaining([expect.anything()]) });

  const usage = await tl(host, "import", "--log-format", "json", "--no-such-option", missing);
  expect(usage.exitCode).toBe(2);
  expect(logOf(usage)).toMatchObject([{ level: "error", error: { code: "usage" } }]);

  const unknown = await tl(host, "import", missing, "--log-format", "xml");
  expect(unknown).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining("it must be text or json"),
  });
});

test("--log-format json: a dry run has a plan, a benchmark its figures", async () => {
  const reference = `${registry.host}/team/app:1`;
  const plan = await tl(registry.host, "import", reference, "--log-format", "json", "--dry-run");
  expect(plan).toMatchObject({ exitCode: 0, stdout: "" });
  expect(logOf(plan).at(-1)).toMatchObject({
    event: "plan",
    name: "app",
    totalBytes: layer.bytes.length,
  });
  const bench = await tl(registry.host, "bench", reference, "--log-format", "json", "--json");
  expect(bench.exitCode).toBe(0);
  expect(logOf(bench).map(({ event }) => event)).toContain("done");
});

test("failures and retries tell no secret either, in either format", async () => {
  const broken = await startedRegistry({
    auth: { mode: "bearer", users: { [USER]: PASSWORD } },
    redirectBlobs: true,
  });
  await broken.addImage("team/app", "1", { layers: [layer] });
  broken.faults.add({ on: "cdn", kind: "close", afterBytes: 5 });
  const reference = `${broken.host}/team/app:1`;
  const args = ["import", reference, "--verbose", "--debug", "--retries", "1"];
  const text = await tl(broken.host, ...args);
  expect(text).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("[ERR_NETWORK]") });
  expect(text.stderr).toContain("Retrying ");
  const json = await tl(broken.host, ...args, "--log-format", "json");
  const log = logOf(json);
  expect(log.filter(({ event }) => event === "retry")).toMatchObject([{ attempt: 2 }]);
  expect(
    log.filter(({ event, failure }) => event === "request" && failure !== undefined),
  ).toMatchObject([
    { status: 200, receivedBytes: 5, failure: "the connection was closed early" },
    { status: 200, receivedBytes: 5 },
  ]);
  expect(log.at(-1)).toMatchObject({ error: { code: "ERR_NETWORK" } });
  expect(broken.violations).toEqual([]);
});

test("a refused login tells no secret, though the registry echoes what it was sent", async () => {
  const echoing = await startedRegistry({
    auth: { mode: "bearer", users: { [USER]: "another" } },
  });
  await echoing.addImage("team/app", "1", { layers: [layer] });
  const form = encodeURIComponent(PASSWORD);
  const body = JSON.stringify({ details: `no: ${PASSWORD}, Basic ${LOGIN}, password=${form}` });
  echoing.faults.add({ on: "token", kind: "status", status: 401, body });
  const reference = `${echoing.host}/team/app:1`;
  for (const format of ["text", "json"]) {
    const run = await tl(
      echoing.host,
      "import",
      reference,
      "--verbose",
      "--debug",
      "--json",
      "--log-format",
      format,
    );
    expect(run).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("ERR_AUTH_DENIED") });
  }
});

test("--retries says how often, --timeout how long, --stall-timeout how long a host may be silent", async () => {
  const silent = await startedRegistry();
  await silent.addImage("team/app", "1", { layers: [layer] });
  const manifests = (): number =>
    silent.requests.filter(({ path }) => path.includes("/manifests/")).length;
  const reference = `${silent.host}/team/app:1`;

  silent.faults.add({ on: "manifest", kind: "status", status: 500 });
  const none = await tl(silent.host, "import", reference, "--retries", "0");
  expect(none.stderr).toContain("[ERR_REGISTRY_UNAVAILABLE]");
  expect(manifests()).toBe(1);
  const once = await tl(silent.host, "bench", reference, "--retries", "1");
  expect(once.stderr).toContain("[ERR_REGISTRY_UNAVAILABLE]");
  expect(manifests()).toBe(3);

  silent.faults.clear();
  silent.faults.add({ on: "manifest", kind: "silence" });
  const args = ["import", reference, "--retries", "0", "--stall-timeout", "0.3"];
  const stalled = await tl(silent.host, ...args);
  expect(stalled.stderr).toContain("no answer for 0.3 s");
  expect(stalled.stderr).toContain("[ERR_TIMEOUT]");

  const late = await tl(silent.host, "import", reference, "--timeout", "1");
  expect(late).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining("the import had not ended after 1 s [ERR_TIMEOUT]"),
  });
  const bench = await tl(silent.host, "bench", reference, "--timeout", "1", "--json");
  expect(bench.stderr).toContain("the benchmark had not ended after 1 s [ERR_TIMEOUT]");

  for (const wrong of [
    ["--retries", "-1"],
    ["--timeout", "0"],
    ["--stall-timeout", "soon"],
  ]) {
    expect(await tl(silent.host, "import", reference, wrong.join("="))).toMatchObject({
      exitCode: 2,
    });
  }
});
