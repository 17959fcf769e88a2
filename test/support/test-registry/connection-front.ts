import type { Server } from "node:http";
import { createServer as createTlsServer, type Server as HttpsServer } from "node:https";
import type { Socket } from "node:net";
import { connect, createServer } from "node:net";
import type { TestCertificate } from "../self-signed-certificate.ts";
import { portOf } from "./listening-server.ts";
import type { ConnectionFault, ConnectionMisbehaviour, FaultList } from "./faults.ts";

export interface FrontOptions {
  readonly address: string;
  readonly port: number;
  readonly faults: FaultList;
  readonly on: ConnectionFault["on"];
}

/** What clients connect to, in place of the server behind it, so that connections can fail before the server sees them. */
export interface ConnectionFront {
  readonly port: number;
  /** Connections are refused until `listen`; those that stand go on. */
  refuse(): void;
  listen(): Promise<void>;
  close(): Promise<void>;
}

/** @param server listens too, and is handed the connections that nothing is wrong with */
export async function startConnectionFront(
  server: Server,
  { address, port, faults, on }: FrontOptions,
): Promise<ConnectionFront> {
  const sockets = new Set<Socket>();
  const front = createServer((socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => {
      // The client went away, or was told to.
    });
    const fault = faults.takeConnection(on);
    if (fault === undefined) server.emit("connection", socket);
    else misbehave(socket, server, fault);
  });
  const listen = async (at: number): Promise<number> => {
    await new Promise<void>((resolve, reject) => {
      front.once("error", reject);
      front.listen(at, address, () => {
        front.off("error", reject);
        resolve();
      });
    });
    return portOf(front);
  };
  const ownPort = await listen(port);
  return {
    port: ownPort,
    refuse: () => {
      front.close();
    },
    listen: async () => {
      if (!front.listening) await listen(ownPort);
    },
    close: async () => {
      const closed = new Promise<void>((resolve) => {
        if (front.listening) front.close(() => resolve());
        else resolve();
      });
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function misbehave(socket: Socket, server: Server, fault: ConnectionMisbehaviour): void {
  if (fault.kind === "mute") socket.resume();
  else if (fault.kind === "hang-up") end(socket, fault.how);
  // What is unread when a socket is closed makes it a reset, which overtakes what was said.
  else if (fault.kind === "speak") socket.once("data", () => socket.end(fault.bytes));
  else if (fault.kind === "cut") cutShort(socket, server, fault);
  else serveWith(socket, fault.certificate);
}

function end(socket: Socket, how: "close" | "reset"): void {
  if (how === "reset") socket.resetAndDestroy();
  else socket.end();
}

/** Hands everything on to the server, and so many bytes of it back. */
function cutShort(
  socket: Socket,
  server: Server,
  { afterBytes, how }: Extract<ConnectionMisbehaviour, { readonly kind: "cut" }>,
): void {
  const behind = connect(portOf(server), socket.localAddress);
  let left = afterBytes;
  behind.on("data", (bytes) => {
    if (left <= 0) return;
    socket.write(bytes.subarray(0, left));
    left -= bytes.length;
    if (left > 0) return;
    behind.destroy();
    // What was written is delivered first: a reset would drop it.
    setTimeout(() => end(socket, how), 5);
  });
  behind.on("error", () => socket.destroy());
  socket.pipe(behind);
  socket.once("close", () => behind.destroy());
  behind.once("close", () => {
    if (left > 0) socket.end();
  });
}

const impostors = new Map<string, HttpsServer>();

/** A handshake with a certificate that is not the server's; whoever believes it is told so. */
function serveWith(socket: Socket, certificate: TestCertificate): void {
  const known = impostors.get(certificate.certificatePem);
  const impostor =
    known ??
    createTlsServer(
      { key: certificate.keyPem, cert: certificate.certificatePem },
      (_request, response) => response.writeHead(418).end("an impostor"),
    );
  impostors.set(certificate.certificatePem, impostor);
  impostor.emit("connection", socket);
}
