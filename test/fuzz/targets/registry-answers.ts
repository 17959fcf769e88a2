import { chooseProxy } from "../../../src/registry/choose-proxy.ts";
import { parseTarget, resolveTarget, type HttpTarget } from "../../../src/registry/http-target.ts";
import {
  chunkMisfit,
  parseContentLength,
  planBlobAnswer,
} from "../../../src/registry/range-answer.ts";
import { redirectTarget } from "../../../src/registry/redirect-policy.ts";
import { parseRetryAfter } from "../../../src/registry/retry-after.ts";
import { demand, type FuzzTarget } from "../fuzz-target.ts";
import { mutateBytes } from "../mutate-bytes.ts";

const SEEDS = [
  "https://storage.example/blob?sig=a%2Fb&x=1#part",
  "http://127.0.0.1:5000/v2/a/blobs/sha256:1",
  "../../other/blob?x=/../",
  "//cdn.example:8443/p\u00e4th with space",
  "https://user:secret@host/",
  "https://[::1]:443/\ud800",
  "?only=query",
  "bytes 100-199/1000",
  "bytes */1000",
  "Wed, 25 Nov 2026 10:00:00 GMT",
  "120",
];
const WORDS = [
  "https://",
  "//",
  "/../",
  "..",
  "?",
  "#",
  "@",
  ":",
  "[::1]",
  "%",
  "%2e",
  "\\",
  "bytes ",
  "-",
  "/",
  "\u00e9",
  "\t",
];
const REGISTRY: HttpTarget = {
  scheme: "https",
  hostname: "registry.example",
  host: "registry.example",
  origin: "https://registry.example",
  path: "/v2/a/b/blobs/sha256:1",
};
const NOW = new Date("2026-11-25T00:00:00Z");

/** Addresses and header fields that a registry, or a manifest, sends: as UTF-16, since JSON may hold half a character. */
export const answerTarget: FuzzTarget = {
  name: "answer",
  weight: 1,
  open: () => ({
    seeds: SEEDS.map((text) => Buffer.from(text, "utf16le")),
    mutate: (input, random, donor) =>
      mutateBytes(input, random, {
        words: WORDS.map((word) => Buffer.from(word, "utf16le")),
        donor,
        mostBytes: 4000,
      }),
    run: runAnswer,
  }),
};

function runAnswer(input: Uint8Array): void {
  const text = Buffer.from(input).toString("utf16le");
  for (const target of [parseTarget(text), resolveTarget(REGISTRY, text)]) {
    if (typeof target !== "string") demandSendable(target);
  }
  runHeaders(text);
  const step = { registry: REGISTRY, from: REGISTRY, location: text, hops: 0, insecure: false };
  if (input.length % 3 > 0) demandSendable(redirectTarget(step));
  else chooseProxy("https://registry.example/", { HTTPS_PROXY: text, NO_PROXY: "other.example" });
}

function runHeaders(text: string): void {
  const wait = parseRetryAfter(text, NOW);
  demand(wait === undefined || (wait >= 0 && Number.isFinite(wait)), "a wait is a time");
  const length = parseContentLength(text);
  demand(length === undefined || length >= 0, "a length is a length");
  const facts = { status: 206, contentRange: text, contentLength: length, sizeBytes: 1000 };
  const plan = planBlobAnswer({ ...facts, offset: 100 });
  demand(plan.kind !== "take" || plan.startsAt === 100, "a part starts where it was asked for");
  const misfit = chunkMisfit({ ...facts, startByte: 100, endByte: 200 });
  demand(misfit !== undefined || /100-199/.test(text), "a range is exactly what was asked for");
}

function demandSendable({ path, origin, hostname }: HttpTarget): void {
  demand(/^\/[\x21-\x7e]*$/.test(path), "a path fits into a request line");
  demand(new URL(origin).origin === origin && hostname !== "", "an origin is one");
}
