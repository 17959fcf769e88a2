import type { ParsedArguments } from "./command.ts";
import { printable } from "../index.ts";
import { UsageError } from "./usage-error.ts";

export function flag(args: ParsedArguments, name: string): boolean {
  return args.options.get(name) === true;
}

export function text(args: ParsedArguments, name: string): string | undefined {
  const value = args.options.get(name);
  return typeof value === "string" ? value : undefined;
}

/** A path or a name that cannot be empty. @throws UsageError */
export function nonEmptyText(args: ParsedArguments, name: string): string | undefined {
  const value = text(args, name);
  if (value === "") throw invalid(args, name, value, "it must not be empty");
  return value;
}

/** The values of a repeatable option, in the order given. */
export function texts(args: ParsedArguments, name: string): readonly string[] {
  const value = args.options.get(name);
  if (value === undefined || value === true) return [];
  return typeof value === "string" ? [value] : value;
}

/** Decimal digits only: what `Number` would also take (`1e3`, `0x10`, blanks) is a slip more often than a wish. @throws UsageError */
export function positiveInteger(
  args: ParsedArguments,
  name: string,
  least = 1,
): number | undefined {
  const value = text(args, name);
  if (value === undefined) return undefined;
  const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
  if (Number.isSafeInteger(number) && number >= least) return number;
  throw invalid(args, name, value, `it must be a whole number, ${least} or more`);
}

/** Digits with an optional fraction. @throws UsageError */
export function positiveNumber(args: ParsedArguments, name: string): number | undefined {
  const value = text(args, name);
  if (value === undefined) return undefined;
  const number = /^\d+(\.\d+)?$/.test(value) ? Number(value) : Number.NaN;
  if (Number.isFinite(number) && number > 0) return number;
  throw invalid(args, name, value, "it must be a number greater than 0, such as 2 or 0.5");
}

export function positional(args: ParsedArguments, name: string): string {
  const value = args.positionals.get(name);
  if (value === undefined) throw new UsageError(`missing argument <${name}>`, args.commandLine);
  return value;
}

export function optionalPositional(args: ParsedArguments, name: string): string | undefined {
  return args.positionals.get(name);
}

export function invalid(
  args: ParsedArguments,
  name: string,
  value: string,
  why: string,
): UsageError {
  return new UsageError(
    `invalid value "${printable(value)}" for --${name}: ${why}`,
    args.commandLine,
  );
}

/** `{ [name]: value }`, or nothing when there is no value: absent is not `undefined`. */
export function given<K extends string, V>(name: K, value: V | undefined): Partial<Record<K, V>>;
export function given(name: string, value: unknown): object {
  return value === undefined ? {} : { [name]: value };
}
