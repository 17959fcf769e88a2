import { digestText } from "../digest-text.ts";

export interface StoredManifest {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  readonly digest: string;
}

/** Manifests by repository and tag or digest. */
export class ManifestStore {
  readonly #manifests = new Map<string, StoredManifest>();

  put(repository: string, tag: string | undefined, bytes: Uint8Array, mediaType: string): string {
    const digest = digestText(bytes);
    const stored = { bytes, mediaType, digest };
    this.#manifests.set(`${repository}@${digest}`, stored);
    if (tag !== undefined) this.#manifests.set(`${repository}:${tag}`, stored);
    return digest;
  }

  find(repository: string, reference: string): StoredManifest | undefined {
    const separator = reference.includes(":") ? "@" : ":";
    return this.#manifests.get(`${repository}${separator}${reference}`);
  }

  tags(repository: string): readonly string[] {
    const prefix = `${repository}:`;
    return [...this.#manifests.keys()]
      .filter((key) => key.startsWith(prefix) && !key.includes("@"))
      .map((key) => key.slice(prefix.length));
  }
}
