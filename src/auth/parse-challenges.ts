import { ImportError } from "../errors.ts";

/** One challenge of a `WWW-Authenticate` field (RFC 9110 §11.3). */
export interface Challenge {
  /** Lower case: `bearer`, `basic`. */
  readonly scheme: string;
  /** Names in lower case, values unescaped. A name given twice has its last value. */
  readonly params: ReadonlyMap<string, string>;
}

const BLANKS = /[ \t]*/y;
const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
/** Credentials without a name (`Negotiate YII…==`): all there is up to the comma. */
const TOKEN68 = /[A-Za-z0-9\-._~+/]+=*(?=[ \t]*(?:,|$))/y;
const QUOTED = /"((?:[^"\\]|\\[^])*)"/y;
/** Stricter servers send tokens; lenient ones send URLs without quotes (CH-2). */
const UNQUOTED = /[^ \t,"][^ \t,]*/y;

/**
 * Reads all challenges of all field lines, several on a line too (CH-1), and whatever of a broken line can be read: what
 * stands before a broken parameter counts (CH-2). The lines are read as the one list that they are by RFC 9110 §5.3, so
 * it does not matter whether something on the way joined them. Time is linear in the length; never throws.
 */
export function parseChallenges(headerLines: readonly string[]): readonly Challenge[] {
  const challenges: OpenChallenge[] = [];
  for (const line of headerLines) new LineReader(line, challenges).read();
  return challenges;
}

interface OpenChallenge extends Challenge {
  readonly params: Map<string, string>;
}

/** A place in one field line. The challenges are those of all lines: a parameter belongs to the last one. */
class LineReader {
  readonly #line: string;
  readonly #challenges: OpenChallenge[];
  #at = 0;
  /** Whether a comma, or the start of the line, stands before what is read next. */
  #afterComma = true;

  constructor(line: string, challenges: OpenChallenge[]) {
    this.#line = line;
    this.#challenges = challenges;
  }

  read(): void {
    while (this.#at < this.#line.length) {
      this.#take(BLANKS);
      const token = this.#take(TOKEN);
      if (token === undefined) this.#skipSeparator();
      else this.#readNamed(token);
    }
  }

  #readNamed(token: string): void {
    const afterComma = this.#afterComma;
    this.#afterComma = false;
    this.#take(BLANKS);
    if (this.#line[this.#at] === "=") {
      this.#at += 1;
      this.#readValue(token.toLowerCase());
    } else if (afterComma || this.#parameterFollows()) {
      this.#challenges.push({ scheme: token.toLowerCase(), params: new Map() });
      this.#take(TOKEN68);
    }
  }

  #readValue(name: string): void {
    this.#take(BLANKS);
    const quoted = this.#line[this.#at] === '"';
    const raw = this.#take(quoted ? QUOTED : UNQUOTED);
    if (raw !== undefined) {
      const value = quoted ? raw.slice(1, -1).replaceAll(/\\([^])/g, "$1") : raw;
      this.#challenges.at(-1)?.params.set(name, value);
    } else if (quoted) {
      // A quote that is never closed: nobody can say where the value ends.
      this.#at = this.#line.length;
    }
  }

  /** A scheme with the comma before it missing (`…" Basic realm=…`); else the token is a stray word. */
  #parameterFollows(): boolean {
    const start = this.#at;
    const found = this.#take(TOKEN) !== undefined;
    this.#take(BLANKS);
    const follows = found && this.#line[this.#at] === "=";
    this.#at = start;
    return follows;
  }

  #skipSeparator(): void {
    const character = this.#line[this.#at];
    if (character === ",") this.#afterComma = true;
    if (character !== '"') this.#at += 1;
    else if (this.#take(QUOTED) === undefined) this.#at = this.#line.length;
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#line)?.[0];
    if (match !== undefined) this.#at += match.length;
    return match;
  }
}

/**
 * The challenge to answer (CH-3): the first Bearer with a realm; else Basic, when there is something to answer it with.
 *
 * @param hasCredentials a user and a password are known for this host; identity tokens answer no Basic challenge
 * @param host names the registry in the message
 * @throws ImportError ERR_AUTH_REQUIRED, ERR_REGISTRY_PROTOCOL
 */
export function chooseChallenge(
  challenges: readonly Challenge[],
  hasCredentials: boolean,
  host = "the registry",
): Challenge {
  const bearer = challenges.find(
    ({ scheme, params }) => scheme === "bearer" && (params.get("realm") ?? "") !== "",
  );
  if (bearer !== undefined) return bearer;
  const basic = challenges.find(({ scheme }) => scheme === "basic");
  if (basic !== undefined && hasCredentials) return basic;
  if (basic !== undefined) {
    throw new ImportError("ERR_AUTH_REQUIRED", `${host} wants a user and a password`, {
      hint: `Log in with \`docker login\`, or set ROOTLIFT_USERNAME and ROOTLIFT_PASSWORD.`,
    });
  }
  throw unusable(challenges, host);
}

function unusable(challenges: readonly Challenge[], host: string): ImportError {
  if (challenges.length === 0) {
    return new ImportError(
      "ERR_AUTH_REQUIRED",
      `${host} wants a login, but sent no WWW-Authenticate that says how`,
      { hint: "Check that this is a registry and that the image's name is right." },
    );
  }
  const schemes = new Set(challenges.map(({ scheme }) => scheme));
  if (schemes.has("bearer")) {
    return new ImportError(
      "ERR_REGISTRY_PROTOCOL",
      `${host} sent a Bearer challenge without a realm`,
      { hint: "Ask the registry's operator to set the address of its token server." },
    );
  }
  const seen = [...schemes].slice(0, 5).map((scheme) => scheme.slice(0, 40));
  return new ImportError(
    "ERR_REGISTRY_PROTOCOL",
    `${host} wants a login by ${seen.join(", ")}; only Bearer and Basic are supported`,
    { hint: "Ask the registry's operator for access by token or password." },
  );
}
