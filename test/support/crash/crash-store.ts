import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { CrashImage } from "./crash-images.ts";

export const FORMATS = ["ext4", "erofs", "tar", "dir"] as const;
export type Format = (typeof FORMATS)[number];

/** What a name must lead to. */
export interface KnownImage {
  readonly snapshotId: string;
  readonly image: CrashImage;
  readonly format: Format;
  /** `image.json` has it: the name that comes back when the catalog is lost. */
  readonly importName: string;
  /** The root filesystem, where it is not in the store. */
  readonly outputPath?: string;
}

export interface ExportedFile {
  readonly image: CrashImage;
  readonly format: "tar" | "dir";
}

/** A store, and what must be in it: the model that each killed process is compared with. */
export interface CrashStore {
  readonly home: string;
  /** Where outputs of imports and exports go: nothing else may ever lie there. */
  readonly outputs: string;
  readonly names: Map<string, KnownImage>;
  /** By path. */
  readonly exports: Map<string, ExportedFile>;
}

export function newCrashStore(place: string): CrashStore {
  const [home, outputs] = [join(place, "home"), join(place, "outputs")];
  // There already, so that it can be watched.
  mkdirSync(home, { recursive: true });
  mkdirSync(outputs);
  return { home, outputs, names: new Map(), exports: new Map() };
}

/** What an operation does to the model, if it gets that far. */
export type Effect =
  | { readonly type: "none" }
  | {
      readonly type: "import";
      readonly name: string;
      readonly imported: Omit<KnownImage, "snapshotId">;
    }
  | { readonly type: "register"; readonly name: string; readonly of: KnownImage }
  | { readonly type: "remove"; readonly name: string }
  | { readonly type: "export"; readonly path: string; readonly exported: ExportedFile };

/**
 * Compares what the catalog says with the model: everything as before, or the one name as after.
 * @returns the names as they are
 * @throws Error when it is anything else
 */
export function namesAfter(
  store: CrashStore,
  effect: Effect,
  found: ReadonlyMap<string, string>,
): { readonly names: ReadonlyMap<string, KnownImage>; readonly changed: boolean } {
  const before = new Map(store.names);
  if (sameNames(before, found)) return { names: before, changed: false };
  const after = new Map(before);
  if (effect.type === "remove") after.delete(effect.name);
  if (effect.type === "register") after.set(effect.name, effect.of);
  if (effect.type === "import") {
    const snapshotId = found.get(effect.name) ?? "none";
    const known = [...before.values()].some((image) => image.snapshotId === snapshotId);
    if (!known) after.set(effect.name, { ...effect.imported, snapshotId });
  }
  if (sameNames(after, found)) return { names: after, changed: true };
  throw new Error(
    `the catalog has neither the names from before nor those from after: ${namesText(found)}; before: ${namesText(snapshotIds(before))}`,
  );
}

export function sameNames(
  known: ReadonlyMap<string, KnownImage>,
  found: ReadonlyMap<string, string>,
): boolean {
  return namesText(snapshotIds(known)) === namesText(found);
}

export function snapshotIds(known: ReadonlyMap<string, KnownImage>): ReadonlyMap<string, string> {
  return new Map([...known].map(([name, { snapshotId }]) => [name, snapshotId]));
}

export function namesText(names: ReadonlyMap<string, string>): string {
  return [...names]
    .map(([name, id]) => `${name} → ${id}`)
    .toSorted()
    .join(", ");
}
