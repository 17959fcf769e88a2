const TOKEN = /"(?:[^"\\]|\\[^])*"|[{}[\],:]|[^\s"{}[\],:]+/g;

/**
 * Keys that the outermost object of a JSON text has more than once, in lower case as Go folds them: found token by token,
 * unlike the reader that is tested.
 */
export function keysGivenTwice(json: string): ReadonlySet<string> {
  const seen = new Set<string>();
  const twice = new Set<string>();
  const open: string[] = [];
  let keyDue = false;
  for (const [token] of json.matchAll(TOKEN)) {
    if (token === "{" || token === "[") open.push(token);
    else if (token === "}" || token === "]") open.pop();
    else if (keyDue && open.length === 1) {
      const key = foldedKey(token);
      if (seen.has(key)) twice.add(key);
      seen.add(key);
    }
    keyDue = open.length === 1 && open[0] === "{" && (token === "{" || token === ",");
  }
  return twice;
}

/** Go's encoding/json folds two letters beyond ASCII to ASCII ones: U+017F to s, U+212A to k. */
function foldedKey(token: string): string {
  const key = String(JSON.parse(token));
  return key.replaceAll("\u017f", "s").replaceAll("\u212a", "k").toLowerCase();
}
