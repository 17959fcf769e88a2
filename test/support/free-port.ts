import { createServer } from "node:net";

/** A port of loopback that nobody listens on, for programs that take a number and not 0. */
export function freePort(host: "127.0.0.1" | "::1" = "127.0.0.1"): Promise<number> {
  return new Promise((settle, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, host, () => {
      const address = server.address();
      server.close(() => settle(typeof address === "object" && address ? address.port : 0));
    });
  });
}
