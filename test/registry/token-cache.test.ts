import { expect, test } from "vitest";
import { parseTokenAnswer } from "../../src/auth/token-answer.ts";
import { TokenCache } from "../../src/registry/token-cache.ts";
import type { IssuedToken } from "../../src/registry/token-exchange.ts";

const { signal } = new AbortController();

function issued(value: string, nowMs = Date.now()): IssuedToken {
  const answer = Buffer.from(JSON.stringify({ token: value, expires_in: 300 }));
  return { token: parseTokenAnswer(answer, nowMs), anonymous: true };
}

test("who asks while a token is on its way waits for that one", async () => {
  const cache = new TokenCache();
  let requests = 0;
  const obtain = async (): Promise<IssuedToken> => {
    requests += 1;
    const name = `fake-${requests}`;
    await new Promise((resolve) => setTimeout(resolve, 5));
    return issued(name);
  };
  const tokens = await Promise.all(
    ["a", "a", "b", "a"].map((key) => cache.get(key, signal, obtain)),
  );
  expect(requests).toBe(2);
  expect(tokens.map(({ token }) => token.value)).toEqual(["fake-1", "fake-1", "fake-2", "fake-1"]);
});

test("a token that is about to expire is replaced, and its generation rises", async () => {
  const cache = new TokenCache();
  const old = await cache.get("a", signal, async () => issued("fake-old", Date.now() - 295_000));
  const next = await cache.get("a", signal, async () => issued("fake-new"));
  expect([old.generation, next.generation]).toEqual([1, 2]);
  expect(next.token.value).toBe("fake-new");
});

test("dropping an old generation keeps the token that came after it", async () => {
  const cache = new TokenCache();
  const first = await cache.get("a", signal, async () => issued("fake-1"));
  cache.drop("a", first.generation);
  const second = await cache.get("a", signal, async () => issued("fake-2"));
  cache.drop("a", first.generation);
  expect(await cache.get("a", signal, async () => issued("fake-3"))).toBe(second);
});

test("a failure is told to all who waited, and the next one asks again", async () => {
  const cache = new TokenCache();
  const outcomes = await Promise.allSettled([
    cache.get("a", signal, () => Promise.reject(new Error("refused"))),
    cache.get("a", signal, async () => issued("never asked")),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  expect((await cache.get("a", signal, async () => issued("fake"))).token.value).toBe("fake");
});

test("who has been cancelled already asks for no token", async () => {
  const cache = new TokenCache();
  let requests = 0;
  const obtain = (): Promise<IssuedToken> => {
    requests += 1;
    return Promise.reject(new Error("nobody would hear of this"));
  };
  await expect(cache.get("a", AbortSignal.abort(), obtain)).rejects.toMatchObject({
    code: "ERR_CANCELLED",
  });
  expect(requests).toBe(0);
});

test("giving up a wait does not take the token from the others", async () => {
  const cache = new TokenCache();
  const controller = new AbortController();
  const answers: ((token: IssuedToken) => void)[] = [];
  const obtain = (): Promise<IssuedToken> => new Promise((resolve) => answers.push(resolve));
  const gone = cache.get("a", controller.signal, obtain);
  const stays = cache.get("a", signal, obtain);
  controller.abort();
  await expect(gone).rejects.toMatchObject({ code: "ERR_CANCELLED" });
  expect(answers).toHaveLength(1);
  answers[0]?.(issued("fake"));
  expect((await stays).token.value).toBe("fake");
});
