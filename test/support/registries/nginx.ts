import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../free-port.ts";
import { startServerIn } from "../server-process.ts";
import type { TestCertificate } from "../self-signed-certificate.ts";

/** Debian's nginx on a port of loopback. */
export interface Nginx {
  readonly port: number;
  /** Lines of its access log, as `NginxRequest`. */
  requests(): readonly NginxRequest[];
  /** What it writes files to, and reads them from. */
  readonly directory: string;
  readonly kill: (signal?: NodeJS.Signals) => Promise<void>;
  readonly start: () => Promise<void>;
  close(): Promise<void>;
}

export interface NginxRequest {
  readonly server: string;
  readonly protocol: string;
  readonly method: string;
  /** With its query, as it came. */
  readonly path: string;
  readonly status: number;
  readonly bodyBytes: number;
  /** Empty: none was sent. The same for the next. */
  readonly authorization: string;
  readonly range: string;
  readonly contentEncoding: string;
}

export interface NginxOptions {
  /** Of the server; it listens with TLS where there is one. */
  readonly certificate?: TestCertificate;
  /** Lines of the `server` block. */
  readonly server: readonly string[];
  /** Lines of the `http` block. */
  readonly http?: readonly string[];
  readonly http2?: boolean;
  readonly address?: "127.0.0.1" | "::1";
  /** Files that the lines name, by name; below `directory`. */
  readonly files?: Readonly<Record<string, string>>;
}

const LOG_FORMAT = [
  '{"server":"$server_name","protocol":"$server_protocol","method":"$request_method",',
  '"path":"$request_uri","status":$status,"bodyBytes":$body_bytes_sent,',
  '"authorization":"$http_authorization","range":"$http_range",',
  '"contentEncoding":"$sent_http_content_encoding"}',
].join("");

/** One process (`master_process off`): a crash of it leaves nothing behind. */
export async function startNginx(options: NginxOptions): Promise<Nginx> {
  const directory = mkdtempSync(join(tmpdir(), "rootlift-nginx-"));
  const address = options.address ?? "127.0.0.1";
  const port = await freePort(address);
  const log = join(directory, "access.log");
  const write = (name: string, content: string): void =>
    writeFileSync(join(directory, name), content);
  write("access.log", "");
  for (const [name, content] of Object.entries(options.files ?? {})) write(name, content);
  const { certificate } = options;
  if (certificate !== undefined) {
    write("server.pem", certificate.certificatePem);
    write("server.key", certificate.keyPem);
  }
  const listen = [address === "::1" ? `[::1]:${port}` : `127.0.0.1:${port}`];
  if (certificate !== undefined) listen.push("ssl");
  if (options.http2 === true) listen.push("http2");
  const scratch = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  const config = [
    "daemon off; master_process off; worker_processes 1; user root;",
    `pid ${directory}/nginx.pid; error_log ${directory}/error.log info;`,
    "events { worker_connections 256; }",
    "http {",
    ...scratch.map((name) => `${name}_temp_path ${directory}/temp_${name};`),
    `log_format lab escape=json '${LOG_FORMAT}';`,
    `access_log ${log} lab;`,
    ...(options.http ?? []),
    "server {",
    `listen ${listen.join(" ")};`,
    ...(certificate === undefined
      ? []
      : ["ssl_certificate server.pem; ssl_certificate_key server.key;"]),
    ...options.server,
    "}",
    "}",
  ];
  write("nginx.conf", `${config.join("\n")}\n`);
  const server = await startServerIn(directory, {
    command: "nginx",
    args: ["-p", directory, "-c", "nginx.conf", "-e", join(directory, "error.log")],
    host: address,
    port,
  });
  return { port, directory, requests: () => requestsIn(log), ...server };
}

function requestsIn(log: string): readonly NginxRequest[] {
  return readFileSync(log, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line): NginxRequest => {
      // What nginx wrote, in the format above.
      const request: NginxRequest = JSON.parse(line);
      return request;
    });
}

/** A registry behind nginx, as distribution's own recipe has it. @param upstream `127.0.0.1:5000` */
export function registryLocation(
  upstream: string,
  more: readonly string[] = [],
): readonly string[] {
  return [
    "client_max_body_size 0; chunked_transfer_encoding on;",
    "location /v2/ {",
    `proxy_pass http://${upstream};`,
    "proxy_http_version 1.1;",
    "proxy_set_header Host $http_host;",
    "proxy_set_header X-Real-IP $remote_addr;",
    "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
    "proxy_set_header X-Forwarded-Proto $scheme;",
    ...more,
    "}",
  ];
}
