import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import type { TestCertificate } from "../self-signed-certificate.ts";
import { selfSignedCertificate } from "../self-signed-certificate.ts";
import type { BlobStore } from "./blob-store.ts";
import { diskBlobStore, memoryBlob, memoryBlobStore } from "./blob-store.ts";
import type { ConnectionFront } from "./connection-front.ts";
import { startConnectionFront } from "./connection-front.ts";
import type { ConnectionFault, Faults } from "./faults.ts";
import { FaultList } from "./faults.ts";
import { closeServer, portOf, startListening } from "./listening-server.ts";
import { ManifestStore } from "./manifest-store.ts";
import type { PullOptions } from "./pull-api.ts";
import { answerContent, sendError } from "./pull-api.ts";
import { Uploads } from "./push-api.ts";
import type { TestImage } from "./test-image.ts";
import { encodeImage } from "./test-image.ts";
import type { BearerOptions } from "./token-server.ts";
import { basicUser, TokenServer } from "./token-server.ts";

export type AuthOptions =
  | { readonly mode: "none" }
  | { readonly mode: "basic"; readonly users: Readonly<Record<string, string>> }
  | BearerOptions;

export interface TestRegistryOptions {
  readonly auth?: AuthOptions;
  /** https with a certificate made now for 127.0.0.1 and localhost, or with this one. Default: http. */
  readonly tls?: boolean | TestCertificate;
  /** Blobs lie in this directory (removed at close) instead of in memory. */
  readonly directory?: string;
  /** Blobs are answered with a 307 to a signed URL on a second origin. */
  readonly redirectBlobs?: boolean;
  /** A signed URL is good for so many requests, and answered with 403 from then on; default: for all. */
  readonly linkUses?: number;
  /** Rate of each connection, the wait before each answer, and the one before the first answer on a connection. */
  readonly bytesPerSecond?: number;
  readonly delayMs?: number;
  readonly connectDelayMs?: number;
  readonly port?: number;
  /** Of this machine, to listen on; default 127.0.0.1. */
  readonly address?: string;
  /** What it serves, shared with other registries and not closed with this one; default: nothing yet. */
  readonly content?: RegistryContent;
  /** Connections can fail before anything is said: `ConnectionFault`, `refuseConnections`. Default false. */
  readonly connectionFaults?: boolean;
}

export interface RegistryContent {
  readonly blobs: BlobStore;
  readonly manifests: ManifestStore;
}

export interface RequestRecord {
  readonly at: "registry" | "cdn" | "token";
  readonly method: string;
  /** With its query, as received. */
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: "none" | "basic" | "bearer";
  readonly headers: IncomingMessage["headers"];
}

export interface AddedBlob {
  readonly digest: string;
  readonly sizeBytes: number;
}

/** A real registry on loopback: what distribution-spec asks for pulls and pushes, and misbehaviour on request. */
export interface TestRegistry {
  /** `127.0.0.1:PORT`: the host part of a reference. */
  readonly host: string;
  readonly url: string;
  readonly cdnUrl: string;
  /** With `tls`: the certificate, which is its own root. */
  readonly certificatePem: string | undefined;
  readonly requests: readonly RequestRecord[];
  /** Answers that have not ended, and whose connections stand. */
  readonly openAnswers: number;
  /** With Bearer auth: counts token requests, revokes tokens. */
  readonly tokens: TokenServer | undefined;
  readonly faults: Faults;
  /** What no client may do, e.g. an Authorization header that reached the second origin. Tests expect it empty. */
  readonly violations: readonly string[];
  addBlob(bytes: Uint8Array): Promise<AddedBlob>;
  /** @param tag without it the manifest is found by its digest only */
  addManifest(
    repository: string,
    tag: string | undefined,
    bytes: Uint8Array,
    mediaType: string,
  ): string;
  /** Layers, config and manifest. @returns the manifest's digest */
  addImage(repository: string, tag: string, image: TestImage): Promise<string>;
  /** From now on nothing goes wrong: no faults, and tokens and links are good for ever. */
  relax(): void;
  /** With `connectionFaults`: nobody listens at its port until `acceptConnections`. */
  refuseConnections(): void;
  acceptConnections(): Promise<void>;
  /** Ends every connection and both servers. */
  close(): Promise<void>;
}

const LOOPBACK = "127.0.0.1";
/** Of a signed URL: characters that a careless client would encode again (registry-cases RED-5). */
const SIGNATURE = "X-Sig=a%2Fb+c~d%3D&e=1";

export async function startTestRegistry(options: TestRegistryOptions = {}): Promise<TestRegistry> {
  const certificate = certificateOf(options);
  const state = new RegistryState(options);
  const { port = 0, connectionFaults = false, address = LOOPBACK } = options;
  const registry = await startListening(
    certificate,
    { port: connectionFaults ? 0 : port, address },
    (request, response) => state.answerRegistry(request, response),
  );
  const cdn = await startListening(certificate, { port: 0, address }, (request, response) =>
    state.answerCdn(request, response),
  );
  const fronts: ConnectionFront[] = [];
  const hostOf = async (server: Server, on: ConnectionFault["on"], at: number): Promise<string> => {
    if (!connectionFaults) return `${address}:${portOf(server)}`;
    const front = await startConnectionFront(server, {
      address,
      port: at,
      faults: state.faults,
      on,
    });
    fronts.push(front);
    return `${address}:${front.port}`;
  };
  const scheme = certificate === undefined ? "http" : "https";
  const host = await hostOf(registry, "registry connection", port);
  state.url = `${scheme}://${host}`;
  state.cdnUrl = `${scheme}://${await hostOf(cdn, "cdn connection", 0)}`;
  return {
    host,
    url: state.url,
    cdnUrl: state.cdnUrl,
    certificatePem: certificate?.certificatePem,
    requests: state.requests,
    get openAnswers() {
      return state.openAnswers;
    },
    tokens: state.tokens,
    faults: state.faults,
    violations: state.violations,
    addBlob: (bytes) => state.addBlob(bytes),
    addManifest: (repository, tag, bytes, mediaType) =>
      state.manifests.put(repository, tag, bytes, mediaType),
    addImage: (repository, tag, image) => state.addImage(repository, tag, image),
    relax: () => state.relax(),
    refuseConnections: () => fronts[0]?.refuse(),
    acceptConnections: async () => fronts[0]?.listen(),
    close: async () => {
      await Promise.all(fronts.map((front) => front.close()));
      await Promise.all([registry, cdn].map(closeServer));
      if (options.content === undefined) state.blobs.close();
    },
  };
}

class RegistryState {
  url = "";
  cdnUrl = "";
  readonly requests: RequestRecord[] = [];
  openAnswers = 0;
  readonly violations: string[] = [];
  readonly faults = new FaultList();
  readonly manifests: ManifestStore;
  readonly blobs: BlobStore;
  readonly tokens: TokenServer | undefined;
  readonly #options: TestRegistryOptions;
  readonly #uploads: Uploads;
  /** Requests by signed URL. */
  readonly #linkUses = new Map<string, number>();
  #links = 0;
  #relaxed = false;
  readonly #greeted = new WeakSet<IncomingMessage["socket"]>();

  constructor(options: TestRegistryOptions) {
    this.#options = options;
    const { directory, content } = options;
    this.manifests = content?.manifests ?? new ManifestStore();
    this.blobs =
      content?.blobs ?? (directory === undefined ? memoryBlobStore() : diskBlobStore(directory));
    this.#uploads = new Uploads(this.blobs);
    this.tokens = options.auth?.mode === "bearer" ? new TokenServer(options.auth) : undefined;
  }

  async addBlob(bytes: Uint8Array): Promise<AddedBlob> {
    return { digest: await this.blobs.put(bytes), sizeBytes: bytes.length };
  }

  async addImage(repository: string, tag: string, image: TestImage): Promise<string> {
    for (const layer of image.layers) await this.blobs.put(layer.bytes);
    const { configBytes, manifestBytes, mediaType } = encodeImage(image);
    await this.blobs.put(configBytes);
    return this.manifests.put(repository, tag, manifestBytes, mediaType);
  }

  relax(): void {
    this.faults.clear();
    this.tokens?.relax();
    this.#relaxed = true;
  }

  async answerRegistry(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#countAnswer(response);
    await this.#handshake(request);
    const path = (request.url ?? "/").split("?")[0] ?? "/";
    if (path === "/token") {
      this.#record("token", request);
      await this.#answerToken(request, response);
      return;
    }
    this.#record("registry", request);
    const route = routeOf(path);
    if (route === undefined) {
      sendError(response, 404, "NAME_UNKNOWN", "no such resource");
      return;
    }
    const push = !["GET", "HEAD"].includes(request.method ?? "");
    if (!this.#admits(request, route.repository, push ? "push" : "pull")) {
      this.#challenge(response, route.repository, push);
      return;
    }
    await this.#answerRoute(request, response, route);
  }

  async answerCdn(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#countAnswer(response);
    await this.#handshake(request);
    this.#record("cdn", request);
    for (const name of ["authorization", "cookie", "proxy-authorization"]) {
      if (request.headers[name] !== undefined) this.violations.push(`${name} reached the CDN`);
    }
    const match = /^\/data\/(sha256:[0-9a-f]{64})\?(.*)$/.exec(request.url ?? "");
    if (match?.[2]?.replace(/&n=\d+$/, "") !== SIGNATURE) {
      this.violations.push(`the signed URL became ${request.url}`);
    }
    const uses = (this.#linkUses.get(request.url ?? "") ?? 0) + 1;
    this.#linkUses.set(request.url ?? "", uses);
    if (!this.#relaxed && uses > (this.#options.linkUses ?? Infinity)) {
      response.writeHead(403, { "content-type": "application/xml" }).end("<Error>expired</Error>");
      return;
    }
    const digest = match?.[1] ?? "";
    const blob = await this.blobs.find(digest);
    const content = blob && { blob, headers: { "content-type": "application/octet-stream" } };
    await answerContent(request, response, content, this.#pullOptions("cdn", request, digest));
  }

  #countAnswer(response: ServerResponse): void {
    this.openAnswers += 1;
    response.once("close", () => {
      this.openAnswers -= 1;
    });
  }

  /** What a handshake with a server far away takes. */
  async #handshake({ socket }: IncomingMessage): Promise<void> {
    const { connectDelayMs = 0 } = this.#options;
    if (connectDelayMs === 0 || this.#greeted.has(socket)) return;
    this.#greeted.add(socket);
    await sleep(connectDelayMs);
  }

  async #answerRoute(
    request: IncomingMessage,
    response: ServerResponse,
    route: Route,
  ): Promise<void> {
    if (route.kind === "ping") {
      response.writeHead(200, { "content-type": "application/json" }).end("{}");
    } else if (route.kind === "tags") {
      const answer = { name: route.repository, tags: this.manifests.tags(route.repository) };
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
    } else if (route.kind === "uploads") {
      await this.#uploads.answer(request, response, route.repository, route.name);
    } else if (route.kind === "manifests" && request.method === "PUT") {
      await this.#putManifest(request, response, route);
    } else if (route.kind === "manifests") {
      const found = this.manifests.find(route.repository, route.name);
      const content = found && {
        blob: memoryBlob(found.bytes),
        headers: { "content-type": found.mediaType, "docker-content-digest": found.digest },
      };
      const options = this.#pullOptions("manifest", request, found?.digest);
      await answerContent(request, response, content, options);
    } else {
      await this.#answerBlob(request, response, route.name);
    }
  }

  async #answerBlob(
    request: IncomingMessage,
    response: ServerResponse,
    digest: string,
  ): Promise<void> {
    const options = this.#pullOptions("blob", request, digest);
    if (this.#options.redirectBlobs === true && options.fault === undefined) {
      this.#links += 1;
      const serial = this.#options.linkUses === undefined ? "" : `&n=${this.#links}`;
      const location = `${this.cdnUrl}/data/${digest}?${SIGNATURE}${serial}`;
      response.writeHead(307, { location }).end(`<a href="${location}">Temporary Redirect</a>`);
      return;
    }
    const blob = await this.blobs.find(digest);
    const content = blob && {
      blob,
      headers: { "content-type": "application/octet-stream", "docker-content-digest": digest },
    };
    await answerContent(request, response, content, options);
  }

  async #putManifest(
    request: IncomingMessage,
    response: ServerResponse,
    route: Route,
  ): Promise<void> {
    const bytes = await buffer(request);
    const mediaType = request.headers["content-type"] ?? "";
    const tag = route.name.includes(":") ? undefined : route.name;
    const digest = this.manifests.put(route.repository, tag, bytes, mediaType);
    const location = `/v2/${route.repository}/manifests/${digest}`;
    response.writeHead(201, { location, "docker-content-digest": digest }).end();
  }

  #pullOptions(
    on: "manifest" | "blob" | "cdn",
    { headers }: IncomingMessage,
    digest: string | undefined,
  ): PullOptions {
    return {
      fault: this.faults.take(on, { digest, ranged: headers.range !== undefined }),
      delayMs: this.#options.delayMs ?? 0,
      bytesPerSecond: this.#options.bytesPerSecond,
    };
  }

  async #answerToken(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const fault = this.faults.take("token", { ranged: false });
    const answer = await this.tokens?.answerTo(request);
    const headers = { "content-type": answer?.mediaType ?? "" };
    if (fault !== undefined || answer?.status === 200) {
      const content = answer && { blob: memoryBlob(Buffer.from(answer.body)), headers };
      const options = { fault, delayMs: 0, bytesPerSecond: undefined };
      await answerContent(request, response, content, options);
    } else if (answer === undefined) {
      sendError(response, 404, "NAME_UNKNOWN", "no token server");
    } else response.writeHead(answer.status, headers).end(answer.body);
  }

  #admits(request: IncomingMessage, repository: string, action: "pull" | "push"): boolean {
    const { auth } = this.#options;
    if (auth === undefined || auth.mode === "none") return true;
    if (auth.mode === "basic") {
      const [user, password] = basicUser(request) ?? ["", ""];
      return auth.users[user] !== undefined && auth.users[user] === password;
    }
    const token = /^Bearer (.*)$/i.exec(request.headers.authorization ?? "")?.[1];
    return token !== undefined && this.tokens?.accepts(token, repository, action) === true;
  }

  #challenge(response: ServerResponse, repository: string, push: boolean): void {
    const scope =
      repository === "" ? "" : `,scope="repository:${repository}:${push ? "pull,push" : "pull"}"`;
    const challenge =
      this.tokens === undefined
        ? 'Basic realm="Registry Realm"'
        : `Bearer realm="${this.url}/token",service="test-registry"${scope}`;
    response.setHeader("www-authenticate", challenge);
    sendError(response, 401, "UNAUTHORIZED", "authentication required");
  }

  #record(at: RequestRecord["at"], request: IncomingMessage): void {
    const [scheme = ""] = (request.headers.authorization ?? "").split(" ");
    const kind = scheme.toLowerCase();
    this.requests.push({
      at,
      method: request.method ?? "",
      path: request.url ?? "",
      range: request.headers.range,
      authorization: kind === "basic" || kind === "bearer" ? kind : "none",
      headers: request.headers,
    });
  }
}

interface Route {
  readonly kind: "ping" | "manifests" | "blobs" | "uploads" | "tags";
  readonly repository: string;
  /** Tag, digest or upload. */
  readonly name: string;
}

function routeOf(path: string): Route | undefined {
  if (path === "/v2/" || path === "/v2") return { kind: "ping", repository: "", name: "" };
  const upload = /^\/v2\/(.+)\/blobs\/uploads\/([^/]*)$/.exec(path);
  if (upload !== null) {
    return { kind: "uploads", repository: upload[1] ?? "", name: upload[2] ?? "" };
  }
  const match = /^\/v2\/(.+)\/(manifests|blobs|tags)\/([^/]+)$/.exec(path);
  if (match === null) return undefined;
  const kind = match[2] === "manifests" || match[2] === "blobs" ? match[2] : "tags";
  return { kind, repository: match[1] ?? "", name: match[3] ?? "" };
}

function certificateOf(options: TestRegistryOptions): TestCertificate | undefined {
  if (options.tls === undefined || options.tls === false) return undefined;
  if (options.tls !== true) return options.tls;
  return selfSignedCertificate({ names: ["127.0.0.1", "localhost"] });
}
