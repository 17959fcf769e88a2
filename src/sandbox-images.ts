import { ImportError } from "./errors.ts";
import type { ImportEvent } from "./progress.ts";
import type {
  ImportPlan,
  ImportSandboxImageOptions,
  RegisterSandboxImageOptions,
  SandboxTemplate,
  StoreOptions,
} from "./public-types.ts";

export const VERSION = "0.1.0";

const pending = (): never => {
  throw new ImportError("ERR_STORE_IO", "under construction");
};

/** The name of an imported reference (`cli-and-sdk-surface` rule): `pytorch/pytorch:2.4.1` → `pytorch`. @throws ImportError ERR_REFERENCE_INVALID when empty */
export function deriveImageName(_reference: string): string {
  return pending();
}
/** Pulls an image and registers it. @returns the record. */
export async function importSandboxImage(
  _reference: string,
  _options: ImportSandboxImageOptions = {},
  _deps: { readonly emit?: (event: ImportEvent) => void } = {},
): Promise<SandboxTemplate> {
  return pending();
}
/** The same as an async iterable of events; its return value is the record. Leaving the loop early cancels the import. */
export async function* importSandboxImageEvents(
  _reference: string,
  _options: ImportSandboxImageOptions = {},
): AsyncGenerator<ImportEvent, SandboxTemplate, undefined> {
  yield pending();
  return pending();
}
/** Resolves an image and checks its name; pulls no layer and writes nothing (`--dry-run`). */
export async function planSandboxImageImport(
  _reference: string,
  _options: ImportSandboxImageOptions = {},
): Promise<ImportPlan> {
  return pending();
}
/** All images of the project, by name. */
export async function listSandboxImages(_options: StoreOptions = {}): Promise<SandboxTemplate[]> {
  return pending();
}
/** @returns null when there is none. */
export async function findSandboxImageByName(
  _name: string,
  _options: StoreOptions = {},
): Promise<SandboxTemplate | null> {
  return pending();
}
/** By name or id. @throws ImportError ERR_NOT_FOUND */
export async function describeSandboxImage(
  _nameOrId: string,
  _options: StoreOptions = {},
): Promise<SandboxTemplate> {
  return pending();
}
/** Names an existing completed snapshot. @throws ImportError ERR_NOT_FOUND, ERR_SNAPSHOT_NOT_COMPLETED, ERR_NAME_TAKEN */
export async function registerSandboxImage(
  _name: string,
  _snapshotId: string,
  _options: RegisterSandboxImageOptions = {},
): Promise<SandboxTemplate> {
  return pending();
}
/** By name or id; removes the snapshot too when no other name has it. @returns the deleted name. @throws ImportError ERR_NOT_FOUND */
export async function deleteSandboxImage(
  _nameOrId: string,
  _options: StoreOptions = {},
): Promise<{ readonly name: string }> {
  return pending();
}
