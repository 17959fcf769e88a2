import { openStore } from "../store/open-store.ts";
import type { Store } from "../store/store.ts";
import type { StoreOptions } from "./public-types.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

const DEFAULT_PROJECT = "default";

export function projectOf(options: StoreOptions, env: Environment): string {
  return options.project ?? nonEmpty(env["TENSORLAKE_PROJECT_ID"]) ?? DEFAULT_PROJECT;
}

/** Opens the store, runs the action, closes the store. */
export async function withStore<T>(
  options: StoreOptions,
  action: (store: Store, project: string) => Promise<T>,
): Promise<T> {
  const env = options.env ?? process.env;
  const home = options.home === undefined ? {} : { homePath: options.home };
  const store = await openStore({ ...home, env });
  try {
    return await action(store, projectOf(options, env));
  } finally {
    store.close();
  }
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}
