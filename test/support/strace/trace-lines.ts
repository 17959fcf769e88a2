/** One finished system call of a trace. */
export interface TracedCall {
  readonly pid: string;
  readonly name: string;
  /** As strace prints them: strings quoted, descriptors as `3</path>`. */
  readonly args: readonly string[];
  /** After the `=`: a number, with its file behind it when it is a descriptor, or -1 and an error. */
  readonly result: string;
  /** The line, or both halves of it. */
  readonly line: string;
}

/** `3</path>` or `AT_FDCWD</path>`. */
export interface Descriptor {
  /** -1: the working directory. */
  readonly fd: number;
  /** Undefined where strace could not tell, as of paths longer than PATH_MAX. */
  readonly path: string | undefined;
}

/** The calls of the output of `strace -f -y -o FILE` in the order in which they ended, halves put together. */
export function parseTrace(text: string): readonly TracedCall[] {
  const begun = new Map<string, string>();
  const calls: TracedCall[] = [];
  for (const line of text.split("\n")) {
    const at = line.search(/\S\s/) + 1;
    const [pid, rest] = [line.slice(0, at), line.slice(at).trimStart()];
    if (rest === "" || /^(?:\+\+\+|---) /.test(rest)) continue;
    if (rest.endsWith("<unfinished ...>")) {
      begun.set(pid, rest.slice(0, -"<unfinished ...>".length));
      continue;
    }
    const resumed = /^<\.\.\. \w+ resumed>/.exec(rest);
    const whole = resumed === null ? rest : (begun.get(pid) ?? "") + rest.slice(resumed[0].length);
    const call = parseCall(pid, whole);
    // A process that was killed leaves a call without a result.
    if (call !== undefined) calls.push(call);
  }
  return calls;
}

function parseCall(pid: string, line: string): TracedCall | undefined {
  const open = line.indexOf("(");
  const name = line.slice(0, open);
  if (open < 0 || !/^\w+$/.test(name)) throw new Error(`no line of strace: ${line}`);
  const args: string[] = [];
  let at = open + 1;
  for (;;) {
    const end = argumentEnd(line, at);
    const argument = line.slice(at, end).trim();
    if (argument !== "") args.push(argument);
    if (end >= line.length) return undefined;
    at = end + 1;
    if (line[end] === ")") break;
  }
  const result = /^\s*= (.*)$/.exec(line.slice(at))?.[1];
  return result === undefined ? undefined : { pid, name, args, result, line };
}

const PAIRS: ReadonlyMap<string, string> = new Map([
  ["(", ")"],
  ["{", "}"],
  ["[", "]"],
]);

/** Where the argument that begins here ends: at a comma or the last bracket, outside of strings, brackets and paths. */
function argumentEnd(line: string, begin: number): number {
  const open: string[] = [];
  for (let at = begin; at < line.length; at++) {
    const char = line[at] ?? "";
    if (char === '"') at = stringEnd(line, at);
    else if (char === "<" && /[\dD]/.test(line[at - 1] ?? "")) at = line.indexOf(">", at);
    else if (PAIRS.has(char)) open.push(PAIRS.get(char) ?? "");
    else if (open.length > 0 && char === open.at(-1)) open.pop();
    else if (open.length === 0 && (char === "," || char === ")")) return at;
  }
  return line.length;
}

function stringEnd(line: string, begin: number): number {
  for (let at = begin + 1; at < line.length; at++) {
    if (line[at] === "\\") at += 1;
    else if (line[at] === '"') return at;
  }
  throw new Error(`a string without its end: ${line}`);
}

const ESCAPES: Readonly<Record<string, string>> = {
  n: "\n",
  t: "\t",
  r: "\r",
  v: "\v",
  f: "\f",
};

/** A quoted string as its bytes (latin1); undefined for what is none, like NULL. @throws Error when strace cut it */
export function stringArgument(argument: string | undefined): string | undefined {
  if (argument?.startsWith('"') !== true) return undefined;
  if (argument.endsWith("...")) throw new Error(`a string that strace cut: ${argument}`);
  return unescape(argument.slice(1, -1));
}

export function descriptorArgument(argument: string | undefined): Descriptor | undefined {
  const found = /^(AT_FDCWD|\d+)(?:<(.*)>(?:\(deleted\))?)?$/s.exec(argument ?? "");
  if (found === null) return undefined;
  const path = found[2] === undefined ? undefined : unescape(found[2]);
  return { fd: found[1] === "AT_FDCWD" ? -1 : Number(found[1]), path };
}

function unescape(text: string): string {
  return text.replaceAll(/\\(?:([0-7]{1,3})|(.))/gs, (_, octal?: string, letter = "") =>
    octal === undefined
      ? (ESCAPES[letter] ?? letter)
      : String.fromCodePoint(Number.parseInt(octal, 8)),
  );
}
