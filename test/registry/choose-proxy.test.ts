import fc from "fast-check";
import { inspect } from "node:util";
import { expect, test } from "vitest";
import { chooseProxy } from "../../src/registry/choose-proxy.ts";
import { outcomeOf } from "../support/import-error.ts";

const PROXY = "http://proxy.example:3128";

function exempts(noProxy: string, url: string): boolean {
  const env = { HTTPS_PROXY: PROXY, HTTP_PROXY: PROXY, NO_PROXY: noProxy };
  return chooseProxy(url, env) === undefined;
}

test("the login in a proxy's URL is decoded for the header and shown nowhere else", () => {
  const choice = chooseProxy("https://r.example/", {
    HTTPS_PROXY: "http://u%3Aser:hunter2%40@proxy.example:3128/",
  });
  expect(choice?.origin).toBe(PROXY);
  const packed = choice?.authorization?.replace("Basic ", "") ?? "";
  expect(Buffer.from(packed, "base64").toString()).toBe("u:ser:hunter2@");
  expect(inspect(choice) + JSON.stringify(choice)).not.toContain(packed);
});

test.each([
  "http://u:hunter2@[::1",
  "socks5://u:hunter2@proxy.example:1080",
  "socks5h://u:hunter2@proxy.example",
  "http://u:hunter2%zz@proxy.example",
  "http://",
  "https://u:hunter2@",
  "proxy example:3128",
  ":3128",
])("the proxy %j is refused, and its message shows no secret", (value) => {
  const choose = () => chooseProxy("https://r.example/", { HTTPS_PROXY: value });
  expect(choose).toThrow(expect.objectContaining({ code: "ERR_CONFIG_INVALID" }));
  expect(choose).toThrow(/^HTTPS_PROXY /);
  expect(choose).not.toThrow(/hunter2/);
});

test("a broken proxy does no harm to a request that does not use it", () => {
  const env = { HTTPS_PROXY: "http://[::1", NO_PROXY: "r.example" };
  expect(chooseProxy("https://r.example/", env)).toBeUndefined();
  expect(chooseProxy("http://other.example/", env)).toBeUndefined();
});

test("PROXY-1: in a CGI program HTTP_PROXY is refused, however it is written: no header of a request becomes another variable", () => {
  const env = { REQUEST_METHOD: "GET", HTTP_PROXY: PROXY, HTTPS_PROXY: PROXY };
  expect(() => chooseProxy("http://r.example/", env)).toThrow(/^HTTP_PROXY .*REQUEST_METHOD/);
  expect(chooseProxy("https://r.example/", env)?.origin).toBe(PROXY);
  const lower = { REQUEST_METHOD: "GET", http_proxy: PROXY };
  expect(() => chooseProxy("http://r.example/", lower)).toThrow(/^http_proxy .*REQUEST_METHOD/);
  const all = { REQUEST_METHOD: "GET", ALL_PROXY: PROXY };
  expect(chooseProxy("http://r.example/", all)?.origin).toBe(PROXY);
});

test("the choice names the variable it comes from", () => {
  expect(chooseProxy("https://r.example/", { all_proxy: "p:1" })).toMatchObject({
    origin: "http://p:1",
    variable: "all_proxy",
  });
});

test.each([
  ["[::1]", "https://[::1]/", true],
  ["[fd00::5]", "https://[fd00::5]:5000/", true],
  ["fd00::5", "https://[fd00::5]:5000/", true],
  ["[fd00::5]:5000", "https://[fd00::5]:5001/", false],
  ["::/0", "https://10.0.0.1/", false],
  ["::/0", "https://[fd00::5]/", true],
  ["0.0.0.0/0", "https://10.0.0.1/", true],
  ["0.0.0.0/0", "https://[fd00::5]/", false],
  ["10.0.0.5", "https://[::ffff:10.0.0.5]/", true],
  ["10.1.2.3/8", "https://10.9.9.9/", true],
  ["10.0.0.0/33", "https://10.0.0.1/", false],
  ["10.0.0.0/-1", "https://10.0.0.1/", false],
  ["10.0.0.0/", "https://10.0.0.1/", false],
  ["10.0.0.0/8:443", "https://10.0.0.1/", false],
  ["10.0.0.5:80", "http://10.0.0.5/", true],
  ["10.0.0.5:80", "https://10.0.0.5/", false],
  ["r.example:", "https://r.example:5000/", true],
  [":443", "https://r.example/", false],
  ["*.r.example:443", "https://a.r.example/", true],
  ["*.r.example:443", "https://a.r.example:444/", false],
  ["*r.example", "https://a.r.example/", false],
  ["https://r.example", "https://r.example/", false],
  ["bücher.example", "https://xn--bcher-kva.example/", true],
  ["r.example/bücher", "https://r.example/", false],
  ["r.example.", "https://r.example/", false],
  ["fe80::1%eth0", "https://10.0.0.1/", false],
  ["0.1", "https://10.0.0.1/", false],
  [".0.1", "https://10.0.0.1/", false],
  ["1", "https://192.168.1.1/", false],
  ["::/0", "https://[::ffff:10.0.0.1]/", false],
  ["10.0.0.0/8", "https://[::ffff:10.0.0.1]/", true],
  ["::ffff:10.0.0.0/104", "https://10.9.9.9/", true],
  ["[r.example]", "https://r.example/", false],
  ["[r.example]:443", "https://r.example/", true],
  ["[10.0.0.1]", "https://10.0.0.1/", false],
  [",, ,", "https://r.example/", false],
])("NO_PROXY %j and %s: exempt is %j", (noProxy, url, expected) => {
  expect(exempts(noProxy, url)).toBe(expected);
});

test("any environment gives a proxy, none or an ImportError", () => {
  const part = fc.constantFrom(
    "http",
    "://",
    "[",
    "]",
    "::1",
    ":",
    "80",
    "/",
    "8",
    "*",
    ".",
    ",",
    "%",
    "@",
    "a",
  );
  const value = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(part).map((parts) => parts.join("")),
  );
  const url = fc.constantFrom("https://r.example/", "http://10.0.0.1:80/", "https://[fd00::1]/");
  fc.assert(
    fc.property(value, value, url, (proxy, noProxy, request) => {
      const env = { HTTPS_PROXY: proxy, ALL_PROXY: PROXY, NO_PROXY: noProxy };
      const outcome = outcomeOf(() => {
        const { origin = PROXY } = chooseProxy(request, env) ?? {};
        expect(origin).toMatch(/^https?:\/\/[^/]+$/);
      });
      expect(["ok", "ERR_CONFIG_INVALID"]).toContain(outcome);
    }),
    { numRuns: 500 },
  );
});
