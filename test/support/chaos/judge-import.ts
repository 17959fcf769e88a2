import { inspect } from "node:util";
import type { ErrorCode } from "../../../src/index.ts";
import type { Ran } from "./chaos-import.ts";
import type { ChaosOrigin } from "./chaos-origin.ts";
import { hasHastyTokens, LOGIN, nameOfRow, type ChaosPlan } from "./chaos-plan.ts";

type Met = ReturnType<ChaosOrigin["met"]>;

/** What an import that met these faults must not have ended with. @param expected digest of a clean import */
export function problemsOf(
  plan: ChaosPlan,
  { outcome, events }: Ran,
  { expected, met }: { readonly expected: string; readonly met: Met },
): readonly string[] {
  const problems: string[] = [];
  if (outcome.kind === "broken") problems.push(outcome.what);
  if (outcome.kind === "done" && outcome.digest !== expected) {
    problems.push(`it ended well with wrong bytes: ${outcome.digest}, not ${expected}`);
  }
  if (outcome.kind === "failed") {
    const { error } = outcome;
    const said = `${error.code}: ${error.message}`;
    const allowed = allowedCodes(plan, met);
    const faults = met.filter(({ count }) => count > 0).map(({ row }) => nameOfRow(row));
    if (!allowed.has(error.code)) {
      problems.push(`after ${faults.join(", ") || "nothing"} it failed with ${said}`);
    } else if (mustSurvive(plan, met)) {
      problems.push(`it did not survive ${faults.join(", ")}: ${said}`);
    }
    if (error.hint === undefined) problems.push(`the error has no hint: ${said}`);
  }
  const told = inspect([outcome, events], { depth: 8, maxStringLength: null });
  const secret = [LOGIN.password, "fake-token-", "X-Sig"].find((text) => told.includes(text));
  if (secret !== undefined) problems.push(`a secret was told: ${secret}…`);
  return problems;
}

/** What is told is the registry's failure; the mirrors' stand behind it. */
function allowedCodes(plan: ChaosPlan, met: Met): ReadonlySet<ErrorCode> {
  const codes = met
    .filter(({ count, at }) => count > 0 && (at === "registry" || !plan.hasMirror))
    .flatMap(({ row }) => row.codes);
  const hasty: readonly ErrorCode[] = hasHastyTokens(plan)
    ? ["ERR_AUTH_DENIED", "ERR_AUTH_REQUIRED"]
    : [];
  const links: readonly ErrorCode[] =
    plan.linkUses === undefined ? [] : ["ERR_REGISTRY_UNAVAILABLE"];
  // The break that makes the pull ask for a range.
  const broken: readonly ErrorCode[] = met.some(({ row }) => "ranged" in row)
    ? ["ERR_NETWORK"]
    : [];
  return new Set([...broken, ...codes, ...hasty, ...links]);
}

function mustSurvive(plan: ChaosPlan, met: Met): boolean {
  if (hasHastyTokens(plan)) return false;
  if (plan.hasMirror && met.every(({ at }) => at === "mirror")) return true;
  return plan.weather === "once" && met.every(({ row }) => row.survives);
}
