import { realpathSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { onTestFinished } from "vitest";
import { inspectStore } from "../../src/store/check-store.ts";
import { openMaintenance, type Maintenance } from "../../src/store/open-maintenance.ts";
import { openStore } from "../../src/store/open-store.ts";
import type { RegisteredImage } from "../../src/store/records.ts";
import { fakeImport, importRequest } from "./fake-import.ts";
import { scratchDirectory } from "./scratch.ts";

export interface MaintainedStore extends Maintenance {
  readonly home: string;
  /** By the names that were asked for. */
  readonly images: ReadonlyMap<string, RegisteredImage>;
  /** `subject: problem (remedy)`, with `HOME` for the path of the store. */
  problems(): Promise<readonly string[]>;
  /** Name → snapshot id, of all projects. */
  names(): Promise<Readonly<Record<string, string>>>;
  snapshotId(name: string): string;
}

/** A store with an image for each name. */
export async function maintainedStore(...names: readonly string[]): Promise<MaintainedStore> {
  const home = join(realpathSync(scratchDirectory()), "home");
  const store = await openStore({ homePath: home, env: {} });
  onTestFinished(() => store.close());
  const images = new Map<string, RegisteredImage>();
  for (const name of names) {
    images.set(name, await fakeImport(store, importRequest(name, { fsync: false })));
  }
  store.close();
  const maintenance = openMaintenance({ homePath: home, env: {} });
  return {
    ...maintenance,
    home,
    images,
    problems: async () =>
      (await inspectStore(maintenance.layout)).problems.map(({ subject, problem, remedy }) =>
        `${subject}: ${problem} (${remedy})`.replaceAll(home, "HOME"),
      ),
    names: async () => {
      const { survey } = await inspectStore(maintenance.layout);
      return Object.fromEntries(
        survey.catalog.images.map(({ name, snapshotId }) => [name, snapshotId]),
      );
    },
    snapshotId: (name) => images.get(name)?.snapshot.id ?? "none",
  };
}

/** Changes the catalog behind everybody's back. */
export function changeCatalog(home: string, sql: string): void {
  const database = new DatabaseSync(join(home, "catalog.db"), {
    enableForeignKeyConstraints: false,
  });
  database.exec(sql);
  database.close();
}
