import type { Server, Socket } from "node:net";

/** Both ports of a connection → its socket below TLS. */
const sockets = new Map<string, Socket>();

/** Remembers the connections of an http or https server, so that they can be reset, which a TLS socket cannot. */
export function trackRawSockets(server: Server): void {
  server.on("connection", (socket: Socket) => {
    const key = keyOf(socket);
    sockets.set(key, socket);
    socket.once("close", () => {
      if (sockets.get(key) === socket) sockets.delete(key);
    });
  });
}

export function rawSocketOf(socket: Socket): Socket {
  return sockets.get(keyOf(socket)) ?? socket;
}

function keyOf({ localPort, remotePort, remoteAddress }: Socket): string {
  return `${localPort} ${remoteAddress} ${remotePort}`;
}
