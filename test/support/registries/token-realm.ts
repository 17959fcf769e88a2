import { randomBytes, sign, X509Certificate, createPrivateKey } from "node:crypto";
import { createServer } from "node:http";
import { selfSignedCertificate } from "../self-signed-certificate.ts";
import { TokenServer, type BearerOptions, type TokenGrant } from "../test-registry/token-server.ts";

/** A token server for distribution's `auth: token`, with a key made for it (distribution, spec/auth/jwt). */
export interface TokenRealm {
  readonly tokens: TokenServer;
  /** Of the http server: `127.0.0.1:4711`. */
  readonly host: string;
  /** What `rootcertbundle` of the registry holds. */
  readonly certificatePem: string;
  close(): Promise<void>;
}

export const ISSUER = "rootlift-tests";
export const SERVICE = "registry.test";
/** distribution takes a token for so long after its end (registry/auth/token, `Leeway`). */
const LEEWAY_SECONDS = 60;

export async function startTokenRealm(options: Omit<BearerOptions, "mode">): Promise<TokenRealm> {
  const { certificatePem, keyPem } = selfSignedCertificate({ names: [ISSUER] });
  const chain = new X509Certificate(certificatePem).raw.toString("base64");
  const key = createPrivateKey(keyPem);
  const mint = (grant: TokenGrant): string => {
    const head = { typ: "JWT", alg: "ES256", x5c: [chain] };
    const toSign = `${encoded(head)}.${encoded(claims(grant))}`;
    const signature = sign("sha256", Buffer.from(toSign), { key, dsaEncoding: "ieee-p1363" });
    return `${toSign}.${signature.toString("base64url")}`;
  };
  const tokens = new TokenServer({ ...options, mode: "bearer", mint });
  const server = createServer((request, response) => {
    tokens.answer(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((settle) => {
    server.listen(0, "127.0.0.1", settle);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("it has no port");
  const { port } = address;
  return {
    tokens,
    host: `127.0.0.1:${port}`,
    certificatePem,
    close: async () => {
      const closed = new Promise<void>((settle) => server.close(() => settle()));
      server.closeAllConnections();
      await closed;
    },
  };
}

function claims({ user, scopes, seconds }: TokenGrant): object {
  const now = Math.floor(Date.now() / 1000);
  return {
    iss: ISSUER,
    sub: user ?? "",
    aud: SERVICE,
    exp: now + seconds - LEEWAY_SECONDS,
    nbf: now - LEEWAY_SECONDS,
    iat: now,
    jti: randomBytes(8).toString("hex"),
    access: scopes.map(accessOf),
  };
}

function accessOf(scope: string): object {
  const [type, ...rest] = scope.split(":");
  const actions = rest.pop() ?? "";
  return { type, name: rest.join(":"), actions: actions.split(",") };
}

function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
