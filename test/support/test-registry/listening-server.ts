import type { IncomingMessage, RequestListener, Server, ServerResponse } from "node:http";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Server as NetServer } from "node:net";
import type { TestCertificate } from "../self-signed-certificate.ts";
import { trackRawSockets } from "./raw-sockets.ts";

/** An http or https server, listening, whose connections can be reset. */
export async function startListening(
  certificate: TestCertificate | undefined,
  { port, address }: { readonly port: number; readonly address: string },
  answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
): Promise<Server> {
  const listener: RequestListener = (request, response) => {
    answer(request, response).catch((error: unknown) => response.destroy(asError(error)));
  };
  const server: Server =
    certificate === undefined
      ? createServer(listener)
      : createTlsServer({ key: certificate.keyPem, cert: certificate.certificatePem }, listener);
  trackRawSockets(server);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, address, resolve);
  });
  return server;
}

function asError(value: unknown): Error {
  return value instanceof Error ? value : new Error(String(value));
}

export function portOf(server: Pick<NetServer, "address">): number {
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return address.port;
}

/** Ends its connections too. */
export async function closeServer(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeAllConnections();
  await closed;
}
