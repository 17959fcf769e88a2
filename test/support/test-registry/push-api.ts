import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";
import type { BlobStore } from "./blob-store.ts";
import { digestText } from "../digest-text.ts";
import { sendError } from "./pull-api.ts";

/** Uploads of distribution-spec, "Pushing blobs": POST, PATCH in pieces, PUT; what skopeo and docker use. */
export class Uploads {
  readonly #blobs: BlobStore;
  readonly #open = new Map<string, Uint8Array[]>();

  constructor(blobs: BlobStore) {
    this.#blobs = blobs;
  }

  async answer(
    request: IncomingMessage,
    response: ServerResponse,
    repository: string,
    id: string,
  ): Promise<void> {
    const url = new URL(request.url ?? "/", "http://registry.invalid");
    const digest = url.searchParams.get("digest");
    const pieces = id === "" ? [] : this.#open.get(id);
    if (pieces === undefined) {
      sendError(response, 404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
      return;
    }
    if (request.method === "DELETE") {
      this.#open.delete(id);
      response.writeHead(204).end();
      return;
    }
    const piece = await buffer(request);
    if (piece.length > 0) pieces.push(piece);
    const finished = request.method === "PUT" || (request.method === "POST" && digest !== null);
    if (finished) {
      this.#open.delete(id);
      await this.#finish(response, repository, { bytes: Buffer.concat(pieces), digest });
      return;
    }
    const upload = id === "" ? randomUUID() : id;
    this.#open.set(upload, pieces);
    const received = pieces.reduce((sum, part) => sum + part.length, 0);
    response.writeHead(request.method === "GET" ? 204 : 202, {
      location: `/v2/${repository}/blobs/uploads/${upload}`,
      "docker-upload-uuid": upload,
      range: `0-${Math.max(0, received - 1)}`,
    });
    response.end();
  }

  async #finish(
    response: ServerResponse,
    repository: string,
    upload: { readonly bytes: Uint8Array; readonly digest: string | null },
  ): Promise<void> {
    if (digestText(upload.bytes) !== upload.digest) {
      sendError(response, 400, "DIGEST_INVALID", "the upload does not have this digest");
      return;
    }
    await this.#blobs.put(upload.bytes);
    response.writeHead(201, {
      location: `/v2/${repository}/blobs/${upload.digest}`,
      "docker-content-digest": upload.digest,
    });
    response.end();
  }
}
