/**
 * Makes fields invisible to whatever lists an object: `util.inspect`, `JSON.stringify`, spread, a logger. Reading them by
 * name still works. For the plain objects that have to hold a secret, so that printing one by mistake prints none.
 *
 * @returns the same object, frozen
 */
export function conceal<T extends object>(object: T, ...fields: readonly (keyof T)[]): Readonly<T> {
  for (const field of fields) Object.defineProperty(object, field, { enumerable: false });
  return Object.freeze(object);
}
