import { afterEach, beforeEach, expect, test } from "vitest";
import { askCredentialHelper, type HelperSettings } from "../../src/auth/credential-helper.ts";
import { ImportError } from "../../src/errors.ts";
import { makeHelperHome, untilGone, type HelperHome } from "../support/fake-helpers.ts";

const ANSWER = '{"ServerURL":"","Username":"u","Secret":"fake-secret"}';
let home: HelperHome;

beforeEach(async () => {
  home = await makeHelperHome();
});
afterEach(async () => {
  await home.remove();
});

async function ask(
  settings: Partial<HelperSettings> = {},
  signal: AbortSignal = new AbortController().signal,
): ReturnType<typeof askCredentialHelper> {
  const question = {
    name: "fake",
    serverUrl: "registry.example.com",
    configuredBy: "credsStore of x",
  };
  return askCredentialHelper(question, { env: home.env, ...settings }, signal);
}

function helperError(message: RegExp): unknown {
  return expect.objectContaining({
    code: "ERR_CREDENTIAL_HELPER",
    message: expect.stringMatching(message),
  });
}

test("a helper is called with `get` alone and gets the server on stdin without a line break", async () => {
  await home.addHelper("fake", `echo "$# $*" > $ROOT/argv; cat > $ROOT/stdin; echo '${ANSWER}'`);
  const login = await ask();
  expect(login?.credentials).toMatchObject({ kind: "basic", username: "u" });
  expect(login?.credentials).toHaveProperty("password", "fake-secret");
  expect(await home.read("argv")).toBe("1 get\n");
  expect(await home.read("stdin")).toBe("registry.example.com");
});

test("a helper sees the whole environment it is given, and no other", async () => {
  await home.addHelper("fake", `env > $ROOT/env; echo '${ANSWER}'`);
  await ask({ env: { ...home.env, AWS_PROFILE: "dev" } });
  const names = (await home.read("env")).split("\n").map((line) => line.split("=")[0]);
  expect(names).toContain("AWS_PROFILE");
  expect(names).not.toContain("VITEST");
});

test("no shell reads the server's name", async () => {
  await home.addHelper("fake", `cat > $ROOT/stdin; echo '${ANSWER}'`);
  const question = { name: "fake", serverUrl: `$(touch ${home.root}/evil);'"`, configuredBy: "x" };
  await askCredentialHelper(question, { env: home.env }, new AbortController().signal);
  expect(await home.read("stdin")).toBe(question.serverUrl);
  await expect(home.read("evil")).rejects.toThrow("ENOENT");
});

test.each([
  [
    "<token> as the user makes the secret an identity token",
    '{"Username":"<token>","Secret":"fake"}',
    { kind: "identity-token" },
  ],
  [
    "names in another case are read as Go reads them",
    '{"username":"u","SECRET":"fake"}',
    { kind: "basic" },
  ],
])("%s", async (_name, answer, expected) => {
  await home.addHelper("fake", `echo '${answer}'`);
  expect((await ask())?.credentials).toMatchObject(expected);
});

test.each([
  ["an answer without user and secret", `echo '{"Username":"","Secret":""}'`],
  ["an empty object", "echo '{}'"],
  ["a user without a secret", `echo '{"Username":"u"}'`],
  ["the message for it", "echo 'credentials not found in native keychain'; exit 1"],
  [
    "the message for it with another status",
    "printf 'credentials not found in native keychain\\r\\n'; exit 77",
  ],
])("%s means that the helper has nothing", async (_name, script) => {
  await home.addHelper("fake", script);
  expect(await ask()).toBeUndefined();
});

test.each([
  [
    "fails with a message",
    "echo 'keychain is locked'; echo second; exit 1",
    /exit code 1: keychain is locked$/,
  ],
  ["fails without a word", "exit 3", /exit code 3$/],
  ["fails after its answer", `echo '${ANSWER}'; exit 1`, /exit code 1$/],
  [
    "fails with escapes in its message",
    "printf '\\033[31mred\\007'; exit 1",
    /: \\x1b\[31mred\\x07$/,
  ],
  [
    "says that nothing was found, and succeeds",
    "echo 'credentials not found in native keychain'",
    /not JSON/,
  ],
  ["prints nothing", "exit 0", /not JSON/],
  ["prints a secret", "echo fake-secret", /not JSON/],
  ["prints an array", "echo '[\"fake-secret\"]'", /no object/],
  ["prints null", "echo null", /no object/],
  ["prints a number as the secret", `echo '{"Username":"u","Secret":5}'`, /Secret is no string/],
  ["prints a secret without a user", `echo '{"Secret":"fake-secret"}'`, /no Username/],
  ["dies from a signal", "kill -SEGV $$", /was ended by SIGSEGV$/],
])("a helper that %s is an error that shows no secret", async (_name, script, message) => {
  await home.addHelper("fake", script);
  const error: unknown = await ask().catch((thrown: unknown) => thrown);
  expect(error).toEqual(helperError(message));
  expect(error).toEqual(helperError(/^docker-credential-fake \(credsStore of x\) /));
  expect(String(error)).not.toContain("fake-secret");
});

test("a helper that is not installed is named", async () => {
  await expect(ask()).rejects.toEqual(helperError(/^docker-credential-fake .*not installed/));
});

test("a helper that is not executable is named with the reason", async () => {
  await home.write("bin/docker-credential-fake/x", "");
  await expect(ask()).rejects.toEqual(helperError(/could not be started \(EACCES\)/));
});

test("an environment that no program can have is a helper's error", async () => {
  await home.addHelper("fake", `echo '${ANSWER}'`);
  const env = { ...home.env, BAD: "a\0b" };
  await expect(ask({ env })).rejects.toEqual(helperError(/could not be started/));
});

test("a helper that never reads its input is answered for by its exit", async () => {
  await home.addHelper("fake", `exec 0<&-; echo '${ANSWER}'`);
  const question = { name: "fake", serverUrl: "x".repeat(1 << 20), configuredBy: "x" };
  const login = await askCredentialHelper(
    question,
    { env: home.env },
    new AbortController().signal,
  );
  expect(login?.username).toBe("u");
});

test("a helper that prints megabytes is stopped", async () => {
  await home.addHelper("fake", "echo $$ > $ROOT/pid; exec yes");
  await expect(ask()).rejects.toEqual(helperError(/more than 1048576 bytes/));
  await untilGone(Number(await home.read("pid")));
});

test("megabytes on stderr do not stop a helper, and only their begin reaches the debug log", async () => {
  await home.addHelper("fake", `yes warn | head -c 3000000 >&2; echo '${ANSWER}'`);
  const lines: string[] = [];
  expect(await ask({ onDebug: (line) => lines.push(line) })).toBeDefined();
  expect(lines.join("")).toMatch(/^docker-credential-fake \(credsStore of x\) says: warn/);
  expect(lines.join("").length).toBeLessThan(3000);
});

test("an answer that comes in pieces is put together", async () => {
  const script = `#!${process.execPath}
    const text = JSON.stringify({ Username: "u", Secret: "ä".repeat(100_000) });
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += 4097) process.stdout.write(bytes.subarray(at, at + 4097));`;
  await home.addHelper("fake", script);
  expect((await ask())?.credentials).toHaveProperty("password", "ä".repeat(100_000));
});

test("a helper that hangs is ended with its children", async () => {
  await home.addHelper("fake", "sleep 600 & echo $! > $ROOT/child; echo $$ > $ROOT/pid; wait");
  await expect(ask({ timeoutMs: 2000 })).rejects.toEqual(
    helperError(/did not answer within 2 s and was ended$/),
  );
  await untilGone(Number(await home.read("pid")));
  await untilGone(Number(await home.read("child")));
});

test("a helper that ignores SIGTERM and closes its output is ended too", async () => {
  await home.addHelper("fake", "trap '' TERM INT; echo $$ > $ROOT/pid; exec >&- 2>&-; sleep 600");
  await expect(ask({ timeoutMs: 2000 })).rejects.toEqual(helperError(/did not answer/));
  await untilGone(Number(await home.read("pid")));
});

test("a process that a helper leaves behind with its output open delays nothing", async () => {
  await home.addHelper("fake", `sleep 600 & echo $! > $ROOT/child; echo '${ANSWER}'`);
  expect((await ask({ timeoutMs: 20_000 }))?.username).toBe("u");
  const child = Number(await home.read("child"));
  process.kill(child, "SIGKILL");
  await untilGone(child);
});

test("an aborted signal ends the helper and gives its reason", async () => {
  await home.addHelper("fake", "echo $$ > $ROOT/pid; exec sleep 600");
  const controller = new AbortController();
  const asked = ask({}, controller.signal);
  const started = async (): Promise<number> => Number(await home.read("pid").catch(() => "0"));
  await expect.poll(started, { timeout: 30_000 }).toBeGreaterThan(0);
  const reason = new ImportError("ERR_TIMEOUT", "too late");
  controller.abort(reason);
  await expect(asked).rejects.toBe(reason);
  await untilGone(Number(await home.read("pid")));
});

test("a signal that is aborted already starts no helper", async () => {
  await home.addHelper("fake", `touch $ROOT/ran; echo '${ANSWER}'`);
  await expect(ask({}, AbortSignal.abort())).rejects.toMatchObject({ code: "ERR_CANCELLED" });
  await expect(home.read("ran")).rejects.toThrow("ENOENT");
});
