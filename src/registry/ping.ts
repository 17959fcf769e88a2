import { readErrorBody } from "./answer-verdict.ts";
import { looksLikeHtml } from "./error-body.ts";
import { followRedirects } from "./follow-redirects.ts";
import type { RegistryConnection } from "./registry-request.ts";

/**
 * Whether `/v2/` answers as a registry does: 200 without a page for people, or a challenge (registry-cases PING-1).
 * Asked only when a manifest was not found and the answer did not say it in a registry's words.
 */
export async function looksLikeRegistry(
  connection: RegistryConnection,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    const { answer } = await followRedirects(connection.sender, {
      first: await connection.endpoint.target("/", signal),
      method: "GET",
      headers: { accept: "application/json", "accept-encoding": "identity" },
      lane: "api",
      what: `the API of ${connection.registry}`,
      signal,
      authorizationFor: () => undefined,
    });
    const body = await readErrorBody(answer);
    if (answer.status === 401 || answer.status === 403) return true;
    return answer.status === 200 && !looksLikeHtml(body);
  } catch {
    // Nobody knows: the first error stands.
    return true;
  }
}
