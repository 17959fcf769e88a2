import { chooseChallenge, parseChallenges } from "../../../src/auth/parse-challenges.ts";
import { buildTokenRequest } from "../../../src/auth/token-request.ts";
import { ROOT } from "../../../src/cli/command-tree.ts";
import { parseArguments } from "../../../src/cli/parse-arguments.ts";
import { UsageError } from "../../../src/cli/usage-error.ts";
import { ImportError } from "../../../src/errors.ts";
import { deriveImageName } from "../../../src/oci/image-name.ts";
import { formatPlatform, parsePlatform } from "../../../src/oci/parse-platform.ts";
import { parseReference } from "../../../src/oci/parse-reference.ts";
import { listAt, text } from "../../support/case-kit/case-json.ts";
import { demand, type FuzzTarget, type OpenTarget } from "../fuzz-target.ts";
import { corpusCases } from "../json/corpus-cases.ts";
import { mutateBytes } from "../mutate-bytes.ts";

const asBytes = (texts: readonly string[]): readonly Uint8Array[] =>
  texts.map((one) => Buffer.from(one));
const utf8 = (input: Uint8Array): string => Buffer.from(input).toString("utf8");

/** References, and the names that are made of them. */
export const referenceTarget: FuzzTarget = {
  name: "reference",
  weight: 1,
  open: () =>
    openTexts(
      corpusCases("references").map((row) => text(row["input"] ?? "")),
      [
        "docker.io/",
        "localhost:5000/",
        "[::1]:5000/",
        "@sha256:",
        ":tag",
        "__",
        "..",
        "/",
        "library/",
        "oci:",
        "A",
      ],
      runReference,
    ),
};

function runReference(input: Uint8Array): void {
  const reference = parseReference(utf8(input));
  const { registry, repository, canonical } = reference;
  demand(
    /^[a-z0-9._/-]+$/.test(repository) && !repository.includes(".."),
    "a repository is a path",
  );
  demand(
    !repository.startsWith("/") && !repository.endsWith("/"),
    "a repository has no empty part",
  );
  demand(deriveImageName(utf8(input)) !== "", "a reference gives a name");
  if (registry === "") return;
  const again = parseReference(canonical);
  demand(again.canonical === canonical, `what is printed (${canonical}) means the same again`);
}

export const platformTarget: FuzzTarget = {
  name: "platform",
  weight: 1,
  open: () =>
    openTexts(
      [
        "linux/amd64",
        "linux/arm/v7",
        "arm64",
        "windows(10.0.17763)/amd64",
        "linux/amd64/v3",
        "darwin",
        "LINUX/x86_64",
      ],
      ["/", "linux", "(", ")", "v8", "armhf", "%28", "unknown"],
      runPlatform,
    ),
};

function runPlatform(input: Uint8Array): void {
  const printed = formatPlatform(parsePlatform(utf8(input)));
  demand(
    formatPlatform(parsePlatform(printed)) === printed,
    "a printed platform means the same again",
  );
}

/** `WWW-Authenticate`, the answer to it, and the request that it leads to. */
export const challengeTarget: FuzzTarget = {
  name: "challenge",
  weight: 1,
  open: () =>
    openTexts(
      corpusCases("www-authenticate").map((row) => listAt(row, "headers").map(text).join("\n")),
      [
        "Bearer ",
        "Basic ",
        'realm="',
        '"',
        "\\",
        ",",
        "=",
        "scope=",
        "service=",
        "https://",
        "\n",
        "Negotiate ",
        "http://[::1]/",
      ],
      runChallenge,
    ),
};

function runChallenge(input: Uint8Array): void {
  const lines = Buffer.from(input).toString("latin1").split("\n");
  const challenges = parseChallenges(lines);
  if (lines.every(endsInside)) {
    const joined = parseChallenges([lines.join(", ")]);
    demand(plain(joined) === plain(challenges), "joined field lines are the same challenges");
  }
  const challenge = chooseChallenge(challenges, input.length % 2 === 0, "fuzz.example");
  if (challenge.scheme !== "bearer") return;
  const request = buildTokenRequest({
    registryUrl: "https://fuzz.example",
    challenge,
    challengeFrom: input.length % 3 === 0 ? "ping" : "resource",
    requestUrl: "https://fuzz.example/v2/a/b/manifests/1",
    repository: "a/b",
    credentials: { kind: "basic", username: "u", password: "p" },
  });
  const url = new URL(request.url);
  demand(url.protocol === "https:" || url.protocol === "http:", "tokens come over HTTP");
  demand(url.username === "" && url.password === "", "a realm brings no login");
}

/** A quote that never ends takes what another line is joined with. */
function endsInside(line: string): boolean {
  return parseChallenges([`${line}, probe a=1`]).at(-1)?.scheme === "probe";
}

function plain(challenges: ReturnType<typeof parseChallenges>): string {
  return JSON.stringify(challenges.map(({ scheme, params }) => [scheme, [...params]]));
}

/** Command lines: a word a line. */
export const commandLineTarget: FuzzTarget = {
  name: "command-line",
  weight: 1,
  open: () =>
    openTexts(
      [
        "sbx\nimage\nimport\nalpine:3.20\n--name\nx\n--disk-mb=100",
        "sbx\nimage\nexport\nname\n--output\n-\n--format\ntar",
        "sbx\nimage\nls\n--json",
        "s\nim\ni\n-pn\nname\n--limit\nentries=5\n--limit=layers=3",
        "--project\np\nsbx\nimage\nrm\n--\n--json",
        "help\nsbx\nimage\nverify",
        "completion\nbash",
      ],
      [
        "\n",
        "--",
        "-",
        "=",
        "sbx",
        "image",
        "import",
        "--no-",
        "--__proto__",
        "--a.b=c",
        "-n",
        "\0",
        "--limit",
        "$x0",
        "help",
      ],
      runCommandLine,
    ),
};

function runCommandLine(input: Uint8Array): void {
  const words = utf8(input).split("\n");
  try {
    const invocation = parseArguments(ROOT, words);
    if (invocation.kind !== "run") return;
    for (const value of invocation.args.positionals.values()) {
      demand(words.includes(value), "a positional is a word as it was typed");
    }
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    // As the command prints it; the judge looks at the text.
    throw new ImportError("ERR_OPTION_INVALID", error.message, { cause: error });
  }
}

function openTexts(
  seeds: readonly string[],
  words: readonly string[],
  run: OpenTarget["run"],
): OpenTarget {
  const parts = asBytes(words);
  const mutate: OpenTarget["mutate"] = (input, random, donor) =>
    mutateBytes(input, random, { words: parts, donor, mostBytes: 6000 });
  return { seeds: asBytes(seeds), mutate, run };
}
