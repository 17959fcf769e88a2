/** Attack: a line break in a token, from a config or a token server, would start a header of its own. */
export function isHeaderValue(text: string): boolean {
  return /^[\x20-\x7e]+$/.test(text);
}
