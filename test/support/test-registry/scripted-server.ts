import type { Server, Socket } from "node:net";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** One answer, byte by byte as a misbehaving server would send it. */
export interface ScriptedAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** `close`: without a length, as HTTP/1.0 did. */
  readonly transfer: "length" | "chunked" | "close";
  /** Default: the body's. */
  readonly contentLength?: number | undefined;
  /** `early`: closed in order after the body, whatever was promised; `slow`: a byte every 20 ms. */
  readonly end: "clean" | "early" | "reset" | "stall" | "slow";
}

export interface ScriptedRequest {
  readonly method: string;
  /** As in the request line. */
  readonly path: string;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
}

export interface ScriptedServer {
  readonly origin: string;
  close(): Promise<void>;
}

/**
 * An HTTP/1.1 server on raw sockets, so that it can break the protocol where node:http would refuse to. Requests have no
 * bodies.
 */
export async function startScriptedServer(
  answer: (request: ScriptedRequest) => ScriptedAnswer | Promise<ScriptedAnswer>,
): Promise<ScriptedServer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    // Head and body are two writes: Nagle's algorithm would hold the second for 40 ms.
    socket.setNoDelay(true);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => {
      // The client gave up, or was told to.
    });
    serve(socket, answer);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    origin: `http://127.0.0.1:${portOf(server)}`,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return address.port;
}

function serve(
  socket: Socket,
  answer: (request: ScriptedRequest) => ScriptedAnswer | Promise<ScriptedAnswer>,
): void {
  let received = "";
  socket.on("data", (chunk) => {
    received += chunk.toString("latin1");
    const end = received.indexOf("\r\n\r\n");
    if (end < 0) return;
    const head = received.slice(0, end);
    received = received.slice(end + 4);
    void (async () => {
      await send(socket, await answer(parseHead(head)));
    })();
  });
}

function parseHead(head: string): ScriptedRequest {
  const [requestLine = "", ...lines] = head.split("\r\n");
  const [method = "", path = ""] = requestLine.split(" ");
  const headers = new Map(
    lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
    }),
  );
  return { method, path, headers };
}

async function send(socket: Socket, answer: ScriptedAnswer): Promise<void> {
  const { transfer, end, body } = answer;
  const length = answer.contentLength ?? body.length;
  const framing = {
    length: answer.status === 204 ? [] : [`content-length: ${length}`],
    chunked: ["transfer-encoding: chunked"],
    close: ["connection: close"],
  }[transfer];
  const lines = [
    `HTTP/1.1 ${answer.status} Scripted`,
    ...Object.entries(answer.headers).map(([name, value]) => `${name}: ${value}`),
    ...framing,
  ];
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  if (end === "slow") {
    await sendSlowly(socket, body);
    return;
  }
  const framed =
    transfer === "chunked" && body.length > 0
      ? Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from("\r\n")])
      : body;
  socket.write(framed);
  if (end === "clean" && transfer === "chunked") socket.write("0\r\n\r\n");
  if (end === "clean" && transfer !== "close") return;
  if (end === "stall") return;
  // A reset drops what was not delivered yet; the script says that the body arrives.
  await sleep(20);
  if (end === "reset") socket.resetAndDestroy();
  else socket.end();
}

async function sendSlowly(socket: Socket, body: Uint8Array): Promise<void> {
  for (const byte of body) {
    if (socket.destroyed) return;
    socket.write(Uint8Array.of(byte));
    await sleep(20);
  }
}
