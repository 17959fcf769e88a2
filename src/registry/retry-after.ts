/** A century: what says more means for ever, and stays a number that can be shown. */
const MOST_SECONDS = 100 * 365 * 86_400;

/**
 * `Retry-After` as milliseconds from `now`: seconds, or an HTTP date (RFC 9110 section 10.2.3). Negative, past and
 * unreadable values count as absent (registry-cases RETRY-4).
 */
export function parseRetryAfter(value: string | undefined, now: Date): number | undefined {
  if (value === undefined) return undefined;
  const text = value.trim();
  if (/^\d+$/.test(text)) return Math.min(Number(text), MOST_SECONDS) * 1000;
  if (!/[a-z]{3},? /i.test(text)) return undefined;
  // The old form of C's asctime names no zone and means GMT (RFC 9110 section 5.6.7).
  const at = Date.parse(/ \d{4}$/.test(text) ? `${text} GMT` : text);
  const waitMs = at - now.getTime();
  return waitMs > 0 ? waitMs : undefined;
}
