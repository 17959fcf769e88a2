import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { ImportError } from "../../../src/errors.ts";
import { DEFAULT_LIMITS } from "../../../src/limits.ts";
import type { Descriptor } from "../../../src/oci/descriptor.ts";
import { parseReference } from "../../../src/oci/parse-reference.ts";
import { digestOf } from "../../../src/oci/verify-bytes.ts";
import { RegistryClient } from "../../../src/registry/registry-client.ts";
import type { RequestTiming } from "../../../src/registry/request-timing.ts";
import type {
  ScriptedAnswer,
  ScriptedRequest,
  ScriptedServer,
} from "../test-registry/scripted-server.ts";
import { startScriptedServer } from "../test-registry/scripted-server.ts";
import type { JsonObject } from "./expect-row.ts";
import { compareError, expectedErrorOf, isObject, textOf } from "./expect-row.ts";
import type { TableRunner } from "./table-runner.ts";

/** `blob-responses.json`: a script of answers → the requests that are made, and what reaches the consumer. */
export const tableRunner: TableRunner = { run };

interface SeenRequest {
  readonly at: string;
  readonly range: string | null;
  readonly authorization: boolean;
}

async function run(row: JsonObject): Promise<string | undefined> {
  const script = new Script(row);
  const registry = await startScriptedServer((request) => script.atRegistry(request));
  const cdn = await startScriptedServer((request) => script.answer("cdn", request));
  script.origins = {
    $REGISTRY: registry.origin,
    $CDN: cdn.origin,
    $TOKEN: `${registry.origin}/token`,
  };
  const client = new RegistryClient(clientOptions(registry, row));
  try {
    const outcome = await pull(client, script, row);
    return compareOutcome(outcome, script, objectOf(row, "expect"));
  } finally {
    await client.close();
    await Promise.all([registry.close(), cdn.close()]);
  }
}

/** Answers in the order of the row; what leads up to the blob (manifest, first token) is not part of it. */
class Script {
  origins: Readonly<Record<string, string>> = {};
  readonly seen: SeenRequest[] = [];
  readonly blob: Uint8Array;
  readonly failures: string[] = [];
  tokenRequests = 0;
  #scripted: readonly JsonObject[];
  #expectedPath: string | undefined;

  constructor(row: JsonObject) {
    this.blob = Uint8Array.from({ length: Number(row["sizeBytes"]) }, (_, i) => (i * 31 + 7) % 256);
    const answers = row["answers"];
    if (!Array.isArray(answers)) throw new Error("the row's `answers` is no array");
    this.#scripted = answers.filter(isObject);
  }

  atRegistry(request: ScriptedRequest): ScriptedAnswer {
    if (request.path.startsWith("/token")) {
      this.tokenRequests += 1;
      return plain(200, JSON.stringify({ token: `fake-token-${this.tokenRequests}` }), {});
    }
    if (!request.path.includes("/manifests/")) return this.answer("registry", request);
    if (request.headers.has("authorization")) return plain(200, "{}", {});
    const challenge = `Bearer realm="${this.origins["$TOKEN"]}",service="test"`;
    return plain(401, "", { "www-authenticate": challenge });
  }

  answer(at: string, request: ScriptedRequest): ScriptedAnswer {
    const range = request.headers.get("range");
    this.seen.push({
      at,
      range: range ?? null,
      authorization: request.headers.has("authorization"),
    });
    if (this.#expectedPath !== undefined && request.path !== this.#expectedPath) {
      this.failures.push(`the Location ${this.#expectedPath} was asked for as ${request.path}`);
    }
    const [answer, ...later] = this.#scripted;
    if (answer === undefined || textOf(answer, "at") !== at) {
      return plain(500, "not in the script", {});
    }
    this.#scripted = later;
    const scripted = this.#toAnswer(answer, range);
    const location = scripted.headers["location"];
    this.#expectedPath = location === undefined ? undefined : pathOf(location, request.path);
    return scripted;
  }

  #toAnswer(answer: JsonObject, range: string | undefined): ScriptedAnswer {
    const whole = this.#body(objectOf(answer, "body"), Number(answer["status"]), range);
    const gzip = objectOf(answer, "body")["gzip"] === true;
    const end = oneOf(textOf(answer, "end", "clean"), ENDS);
    // An encoded body has no slice in the row: half of it comes before it breaks off.
    const cut = gzip && end !== "clean";
    const headers = Object.entries(objectOf(answer, "headers")).map(([name, value]) => [
      name.toLowerCase(),
      this.#withOrigins(String(value)),
    ]);
    const given = answer["contentLength"];
    return {
      status: Number(answer["status"]),
      headers: Object.fromEntries(headers),
      body: cut ? whole.subarray(0, whole.length / 2) : whole,
      transfer: oneOf(textOf(answer, "transfer", "length"), ["length", "chunked", "close"]),
      contentLength: typeof given === "number" ? given : whole.length,
      end,
    };
  }

  #body(body: JsonObject, status: number, range: string | undefined): Uint8Array {
    if (typeof body["text"] === "string") return Buffer.from(body["text"]);
    if (body["gzip"] === true) return gzipSync(this.blob);
    if (typeof body["corruptAt"] === "number") {
      const damaged = Uint8Array.from(this.blob);
      damaged[body["corruptAt"]] = ~(damaged[body["corruptAt"]] ?? 0);
      const start = status === 206 ? Number(/^bytes=(\d+)-/.exec(range ?? "")?.[1] ?? 0) : 0;
      return damaged.subarray(start);
    }
    return this.blob.subarray(Number(body["from"]), Number(body["to"]));
  }

  #withOrigins(value: string): string {
    return Object.entries(this.origins).reduce(
      (text, [name, origin]) => text.replaceAll(name, origin),
      value,
    );
  }
}

/** Byte for byte as it stands in the Location (RED-5), which may be relative and have a fragment. */
function pathOf(location: string, requestPath: string): string {
  const path = location.replace(/^https?:\/\/[^/]*/, "").replace(/#.*$/, "");
  return path.startsWith("/") ? path : requestPath.replace(/[^/]*$/, path);
}

const ENDS = ["clean", "early", "reset", "stall", "slow"] as const;

function plain(
  status: number,
  body: string,
  headers: Readonly<Record<string, string>>,
): ScriptedAnswer {
  return { status, headers, body: Buffer.from(body), transfer: "length", end: "clean" };
}

type Outcome = { readonly bytes: Uint8Array } | { readonly error: unknown };

/** What the pipeline does with a layer: hashes it, and asks once more past all caches when the digest is wrong (BLOB-9). */
async function pull(client: RegistryClient, script: Script, row: JsonObject): Promise<Outcome> {
  const { signal } = new AbortController();
  const digest = digestOf(script.blob);
  const sizeBytes = script.blob.length;
  const descriptor: Descriptor = { mediaType: "application/octet-stream", digest, sizeBytes };
  await client.fetchRoot(signal);
  script.tokenRequests = 0;
  try {
    for (const fresh of [false, true]) {
      const stream = client.openBlob(descriptor, { signal, fresh, what: `layer ${digest.text}` });
      const bytes = await readAll(stream, Number(objectOf(row, "options")["consumerPauseMs"] ?? 0));
      if (createHash("sha256").update(bytes).digest("hex") === digest.hex) return { bytes };
    }
    throw new ImportError("ERR_DIGEST_MISMATCH", `the blob does not match ${digest.text}`);
  } catch (error) {
    return { error };
  }
}

async function readAll(
  stream: { read(target: Uint8Array): Promise<number> },
  pauseMs: number,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (;;) {
    // Before the first read and after it: nothing has been asked for, and something has.
    if (pauseMs > 0 && parts.length < 2) await sleep(pauseMs);
    const part = new Uint8Array(333);
    const filled = await stream.read(part);
    parts.push(part.subarray(0, filled));
    if (filled < part.length) return Buffer.concat(parts);
  }
}

function compareOutcome(outcome: Outcome, script: Script, expect: JsonObject): string | undefined {
  const expectedError = expectedErrorOf(expect);
  const failures = [...script.failures];
  if ("error" in outcome) {
    const failure =
      expectedError === undefined
        ? `expected the blob, got ${String(outcome.error)}`
        : compareError(outcome.error, expectedError);
    if (failure !== undefined) failures.push(failure);
  } else if (expectedError !== undefined) {
    failures.push(`expected ${expectedError.code}, got the blob`);
  } else if (!Buffer.from(outcome.bytes).equals(script.blob)) {
    failures.push(`got ${outcome.bytes.length} bytes that are not the blob`);
  }
  const [expected, seen] = [expect["requests"], script.seen].map((list) => JSON.stringify(list));
  if (expected !== seen) failures.push(`requests: expected ${expected}, got ${seen}`);
  return failures.length === 0 ? undefined : failures.join("; ");
}

function clientOptions(
  registry: ScriptedServer,
  row: JsonObject,
): ConstructorParameters<typeof RegistryClient>[0] {
  return {
    reference: parseReference(`${registry.origin.replace("http://", "")}/team/app:1`),
    env: {},
    credentials: {
      credentialsFor: async () => ({
        credentials: { kind: "basic", username: "alice", password: "fake-password" },
        origin: "the test",
      }),
    },
    limits: DEFAULT_LIMITS,
    plainHttp: true,
    insecure: false,
    concurrency: 4,
    userAgent: "rootlift/test",
    onRetry: () => {},
    timing: timingOf(objectOf(row, "options")),
  };
}

/** The row's options by the client's names; without them attempts enough, and delays near 0. */
function timingOf(options: JsonObject): Partial<RequestTiming> {
  const names: Readonly<Record<string, keyof RequestTiming>> = {
    stallTimeoutMs: "stallMs",
    firstByteTimeoutMs: "firstByteMs",
    connectTimeoutMs: "connectMs",
    minBytesPerSecond: "minBytesPerSecond",
    minRateWindowMs: "minRateWindowMs",
    attempts: "attempts",
  };
  const given = Object.entries(options).flatMap(([name, value]) => {
    const known = names[name];
    return known === undefined ? [] : [[known, Number(value)] as const];
  });
  return { baseDelayMs: 2, maxDelayMs: 5, ...Object.fromEntries(given) };
}

function oneOf<T extends string>(text: string, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === text);
  if (found === undefined) throw new Error(`unknown word in the row: ${text}`);
  return found;
}

function objectOf(row: JsonObject, field: string): JsonObject {
  const value = row[field] ?? {};
  if (isObject(value)) return value;
  throw new Error(`the row's \`${field}\` is no object`);
}
