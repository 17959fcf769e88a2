import type { Random } from "../../fuzz/random.ts";
import type { FaultScope } from "../test-registry/faults.ts";
import { ranges, wrongBodies, wrongHeads } from "./content-faults.ts";
import {
  at,
  BLOBS,
  constant,
  CONTENTS,
  EVERYWHERE,
  PAGE,
  type AnswerRow,
  type FaultFacts,
} from "./fault-rows.ts";

type Row = Omit<AnswerRow, "on">;
type On = FaultScope["on"];

const PAGE_HEADERS = { "content-type": "text/html" };

export const ANSWER_FAULTS: readonly AnswerRow[] = [
  ...brokenAnswers(),
  ...statuses(),
  ...wrongBodies(),
  ...wrongHeads(),
  ...ranges(),
  ...redirects(),
  ...tokens(),
];

function somewhere(random: Random): number {
  return random.pick([0, 1, 100, random.below(2000), random.below(100_000)]);
}

function brokenAnswers(): readonly AnswerRow[] {
  const network: Pick<Row, "codes" | "survives"> = { codes: ["ERR_NETWORK"], survives: true };
  const timeout: Pick<Row, "codes" | "survives"> = { codes: ["ERR_TIMEOUT"], survives: true };
  return [
    ...at(EVERYWHERE, {
      ...network,
      name: "closed before the answer",
      make: constant({ kind: "hang-up", how: "close" }),
    }),
    ...at(EVERYWHERE, {
      ...network,
      name: "reset before the answer",
      make: constant({ kind: "hang-up", how: "reset" }),
    }),
    ...at(EVERYWHERE, {
      ...network,
      name: "closed in the body",
      make: ({ random }) => ({ kind: "close", afterBytes: somewhere(random) }),
    }),
    ...at(EVERYWHERE, {
      ...network,
      name: "reset in the body",
      make: ({ random }) => ({ kind: "reset", afterBytes: somewhere(random) }),
    }),
    ...at(EVERYWHERE, { ...timeout, name: "no answer", make: constant({ kind: "silence" }) }),
    ...at(EVERYWHERE, {
      ...timeout,
      name: "head a byte at a time",
      make: constant({
        kind: "raw",
        bytes: () => Buffer.from(`HTTP/1.1 200 OK\r\n${"x-slow: loris\r\n".repeat(40)}\r\n`),
        end: "trickle",
      }),
    }),
    ...at(EVERYWHERE, {
      ...timeout,
      name: "stall in the body",
      make: ({ random }) => ({ kind: "stall", afterBytes: somewhere(random) }),
    }),
    ...at(EVERYWHERE, {
      ...timeout,
      name: "body a byte at a time",
      make: ({ random }) => ({ kind: "trickle", afterBytes: somewhere(random), everyMs: 20 }),
    }),
    ...at(EVERYWHERE, {
      name: "late answer",
      codes: [],
      survives: true,
      make: constant({ kind: "late", ms: 150 }),
    }),
  ];
}

function status(
  on: readonly On[],
  code: number,
  row: Pick<Row, "codes" | "survives">,
  more: { readonly headers?: Readonly<Record<string, string>>; readonly body?: string } = {},
): readonly AnswerRow[] {
  const marks = Object.entries(more.headers ?? {}).map(([name, value]) => `${name}: ${value}`);
  const name = [`status ${code}`, ...marks].join(", ");
  return at(on, { ...row, name, make: constant({ kind: "status", status: code, ...more }) });
}

function statuses(): readonly AnswerRow[] {
  const passing = { codes: ["ERR_REGISTRY_UNAVAILABLE"], survives: true } as const;
  const limited = { codes: ["ERR_RATE_LIMITED"], survives: true } as const;
  const protocol = { codes: ["ERR_REGISTRY_PROTOCOL"], survives: false } as const;
  const refused = { codes: ["ERR_AUTH_DENIED", "ERR_AUTH_REQUIRED"], survives: false } as const;
  const missing = { codes: ["ERR_IMAGE_NOT_FOUND"], survives: false } as const;
  const page = { headers: PAGE_HEADERS, body: PAGE };
  return [
    ...[408, 500, 504, 522].flatMap((code) => status(EVERYWHERE, code, passing)),
    ...[502, 503].flatMap((code) => status(EVERYWHERE, code, passing, page)),
    ...status(EVERYWHERE, 503, passing, { headers: { "retry-after": "1" } }),
    ...status(EVERYWHERE, 429, limited),
    ...status(EVERYWHERE, 429, limited, { headers: { "retry-after": "1" } }),
    ...status(EVERYWHERE, 429, limited, { headers: { "retry-after": "soon" } }),
    ...status(
      EVERYWHERE,
      429,
      { ...limited, survives: false },
      { headers: { "retry-after": "3600" } },
    ),
    ...at(["manifest"], {
      ...limited,
      survives: false,
      name: "status 429 of Docker Hub",
      make: constant({
        kind: "status",
        status: 429,
        body: '{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit."}]}',
      }),
    }),
    ...status(["manifest", "blob"], 404, missing),
    ...status(["cdn"], 404, missing, { headers: { "content-type": "application/xml" } }),
    ...status(["token"], 404, protocol),
    ...status(["manifest", "blob", "token"], 403, refused),
    ...status(["manifest", "blob"], 402, refused),
    ...[400, 405, 501, 505].flatMap((code) => status(["manifest", "blob"], code, protocol)),
    ...[501, 505].flatMap((code) => status(["token"], code, protocol)),
    // To both forms of the request, with a login: it may be the login that it does not like.
    ...[400, 405].flatMap((code) =>
      status(["token"], code, { ...protocol, codes: ["ERR_REGISTRY_PROTOCOL", "ERR_AUTH_DENIED"] }),
    ),
    // A link that has expired: the registry gives another one.
    ...[400, 401, 403, 410].flatMap((code) => status(["cdn"], code, passing)),
    ...[204, 304].flatMap((code) => status(CONTENTS, code, protocol)),
    ...status(BLOBS, 203, protocol, page),
    ...at(["manifest", "blob"], {
      ...refused,
      name: "status 401, no challenge",
      make: constant({ kind: "status", status: 401 }),
    }),
    ...at(["manifest", "blob"], {
      ...refused,
      survives: true,
      name: "status 401 in mid-pull",
      challenges: true,
      make: ({ challenge }) => ({
        kind: "status",
        status: 401,
        headers: { "www-authenticate": challenge },
      }),
    }),
  ];
}

function redirects(): readonly AnswerRow[] {
  const refused = { codes: ["ERR_REDIRECT_REFUSED"], survives: false } as const;
  const to = (name: string, location: (facts: FaultFacts) => string): readonly AnswerRow[] =>
    at(EVERYWHERE, {
      ...refused,
      name,
      make: (facts) => ({ kind: "redirect", location: location(facts) }),
    });
  return [
    ...at(EVERYWHERE, {
      ...refused,
      name: "a redirect to itself",
      make: constant({ kind: "redirect-to-itself" }),
    }),
    ...to("a redirect to plain http", ({ host }) => `http://${host}/v2/`),
    ...to("a redirect to another scheme", () => "ftp://example.com/blob"),
    ...to("a redirect with a user", ({ host }) => `https://user@${host}/v2/`),
    ...to("a redirect to a link-local address", () => "https://169.254.169.254/latest/"),
    ...at(EVERYWHERE, {
      codes: ["ERR_NETWORK"],
      survives: true,
      name: "a redirect to a closed port",
      make: ({ closedOrigin }) => ({ kind: "redirect", location: `${closedOrigin}/x` }),
    }),
    ...at(EVERYWHERE, {
      codes: ["ERR_REGISTRY_PROTOCOL"],
      survives: false,
      name: "a redirect to nowhere",
      make: constant({ kind: "status", status: 307 }),
    }),
  ];
}

function tokens(): readonly AnswerRow[] {
  const protocol = { codes: ["ERR_REGISTRY_PROTOCOL"], survives: true } as const;
  const row = (name: string, bytes: string, more: Partial<Row> = {}): readonly AnswerRow[] =>
    at(["token"], {
      ...protocol,
      name,
      make: constant({ kind: "replace", bytes: Buffer.from(bytes), mediaType: "application/json" }),
      ...more,
    });
  return [
    ...row("a page for a token", PAGE),
    ...row("half a token", '{"token":"fake-to'),
    ...row("a token answer without a token", '{"expires_in":60}', { survives: false }),
    ...row("a token answer that is a list", "[]", { survives: false }),
    ...row("a token that is a number", '{"token":5}', { survives: false }),
    ...row("a token with control characters", '{"token":"fake\\r\\nx: y"}', { survives: false }),
    ...row("a megabyte for a token", `{"token":"${"x".repeat(1 << 20)}"}`, { survives: false }),
    ...row("a token of no use", '{"token":"fake-useless"}', {
      codes: ["ERR_AUTH_DENIED", "ERR_AUTH_REQUIRED"],
    }),
  ];
}
