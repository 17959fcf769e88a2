import {
  chooseChallenge,
  parseChallenges,
  type Challenge,
} from "../../../src/auth/parse-challenges.ts";
import { buildTokenRequest } from "../../../src/auth/token-request.ts";
import {
  compareError,
  compareFields,
  expectedErrorOf,
  isObject,
  textOf,
  type JsonObject,
} from "./expect-row.ts";
import type { TableRunner } from "./table-runner.ts";

/** `www-authenticate.json`: header lines → challenges and the one to answer; challenge → token request. */
export const tableRunner: TableRunner = {
  run: async (row) => {
    const kind = row["kind"] ?? ("headers" in row ? "parse" : "token-request");
    if (kind === "parse") return runParse(row);
    if (kind === "token-request") return runTokenRequest(row);
    throw new Error(`unknown kind of row: ${JSON.stringify(kind)}`);
  },
};

function runParse(row: JsonObject): string | undefined {
  const headers = stringsOf(row["headers"], "headers");
  const expect = isObject(row["expect"]) ? row["expect"] : {};
  const challenges = parseChallenges(headers);
  // "A client that joins lines with ', ' must read the same challenges": as far as a quote is not left open.
  const joined = headers.every(closesItsQuotes) ? [headers.join(", ")] : headers;
  const wrong =
    compareChallenges(challenges, expect["challenges"]) ??
    compareChallenges(parseChallenges(joined), expect["challenges"]);
  if (wrong !== undefined) return wrong;
  const expectedError = expectedErrorOf(row);
  let chosen: Challenge;
  try {
    chosen = chooseChallenge(challenges, row["hasCredentials"] === true);
  } catch (error) {
    if (expectedError !== undefined) return compareError(error, expectedError);
    throw error;
  }
  if (expectedError !== undefined) return `expected ${expectedError.code}, got ${chosen.scheme}`;
  return compareFields({ chosen: chosen.scheme }, { chosen: expect["chosen"] });
}

function closesItsQuotes(line: string): boolean {
  return line.replaceAll(/\\[^]/g, "").split('"').length % 2 === 1;
}

function compareChallenges(actual: readonly Challenge[], expected: unknown): string | undefined {
  if (!Array.isArray(expected)) return "the row's `expect.challenges` is no array";
  const plain = actual.map(({ scheme, params }) => ({ scheme, params: sorted([...params]) }));
  const wanted = expected.map((one: unknown) => {
    if (!isObject(one) || !isObject(one["params"])) throw new Error("a challenge without params");
    return { scheme: one["scheme"], params: sorted(Object.entries(one["params"])) };
  });
  return compareFields({ challenges: plain }, { challenges: wanted });
}

function runTokenRequest(row: JsonObject): string | undefined {
  const challenge = row["challenge"];
  if (!isObject(challenge)) throw new Error("the row's `challenge` is no object");
  const registryUrl = textOf(row, "registryUrl");
  const repository = textOf(row, "repository");
  const challengeFrom = textOf(row, "challengeFrom") === "ping" ? "ping" : "resource";
  const path = challengeFrom === "ping" ? "/v2/" : `/v2/${repository}/manifests/latest`;
  const params = new Map(Object.keys(challenge).map((name) => [name, textOf(challenge, name)]));
  const expectedError = expectedErrorOf(row);
  let url: string;
  try {
    ({ url } = buildTokenRequest({
      registryUrl,
      repository,
      challengeFrom,
      challenge: { scheme: "bearer", params },
      requestUrl: new URL(path, registryUrl).href,
    }));
  } catch (error) {
    if (expectedError !== undefined) return compareError(error, expectedError);
    throw error;
  }
  if (expectedError !== undefined) return `expected ${expectedError.code}, got ${url}`;
  return compareRequest(new URL(url), isObject(row["expect"]) ? row["expect"] : {});
}

const isScope = ([name]: readonly string[]): boolean => name === "scope";
const isClient = ([name]: readonly string[]): boolean => name === "client_id";

/** The query as a multiset, the scopes in their order. */
function compareRequest(url: URL, expect: JsonObject): string | undefined {
  if (!Array.isArray(expect["query"])) return "the row's `expect.query` is no array";
  const wanted = expect["query"].map((pair: unknown) => stringsOf(pair, "query"));
  // TOK-1 also sends `client_id=rootlift`; the rows list what differs from request to request.
  const pairs = [...url.searchParams].filter(
    (pair) => wanted.some(isClient) || !isClient(pair) || pair[1] !== "rootlift",
  );
  return compareFields(
    {
      url: `${url.origin}${url.pathname}`,
      hash: url.hash,
      query: sorted(pairs),
      scopes: pairs.filter(isScope),
      client: url.searchParams.getAll("client_id").length,
    },
    {
      url: expect["url"],
      hash: "",
      query: sorted(wanted),
      scopes: wanted.filter(isScope),
      client: 1,
    },
  );
}

function stringsOf(value: unknown, what: string): readonly string[] {
  if (!Array.isArray(value)) throw new Error(`the row's \`${what}\` is no array`);
  return value.map((one: unknown) => {
    if (typeof one === "string") return one;
    throw new Error(`the row's \`${what}\` holds something else than strings`);
  });
}

function sorted<T>(list: readonly T[]): readonly T[] {
  const key = (one: T): string => JSON.stringify(one);
  return list.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
}
