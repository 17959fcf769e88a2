import { join } from "node:path";
import { selfSignedCertificate, type TestCertificate } from "../../self-signed-certificate.ts";
import { startDebianRegistry } from "../../debian-registry.ts";
import { registryLocation, startNginx, type Nginx, type NginxOptions } from "../nginx.ts";
import { makeAuthority, type Authority } from "../pull-lab.ts";
import type { Scene, SceneScript } from "../scene.ts";

const HOST = "registry.test";
const DAY_MS = 86_400_000;

export function certificateFor(
  authority: Authority,
  options: Partial<Parameters<typeof selfSignedCertificate>[0]> = {},
): TestCertificate {
  return selfSignedCertificate({
    names: [HOST],
    issuer: authority,
    isAuthority: false,
    ...options,
  });
}

/** nginx with TLS before the lab's registry. @returns `registry.test:PORT` */
export async function gateway(
  scene: Scene,
  options: Partial<NginxOptions> & { readonly location?: readonly string[] } = {},
): Promise<Nginx & { readonly host: string }> {
  const { location, ...more } = options;
  const nginx = await scene.with(
    startNginx({
      certificate: certificateFor(scene.lab.authority),
      ...more,
      server: [
        `server_name ${HOST};`,
        ...(options.server ?? []),
        ...registryLocation(scene.lab.origin.host, location),
      ],
    }),
  );
  return { ...nginx, host: `${HOST}:${nginx.port}` };
}

/** The lab's authority is believed by everybody, as `update-ca-certificates` would have it. */
export function trusted(scene: Scene): Readonly<Record<string, string>> {
  return { SSL_CERT_FILE: scene.write("lab-ca.pem", scene.lab.authority.certificatePem, 0o644) };
}

async function pullsThrough(
  scene: Scene,
  trust: (host: string) => Readonly<Record<string, string>> | undefined,
): Promise<void> {
  const { host } = await gateway(scene);
  const env = trust(host);
  const { app: image } = scene.lab.images;
  await scene.pulls({ host, image, ...(env === undefined ? {} : { env }) });
}

const AUTHORITIES: readonly SceneScript[] = [
  {
    name: "the authority in /etc/docker/certs.d",
    short: true,
    play: (scene) =>
      pullsThrough(scene, (host) => {
        scene.etc(`docker/certs.d/${host}/ca.crt`, scene.lab.authority.certificatePem);
        return undefined;
      }),
  },
  {
    name: "the authority in /etc/containers/certs.d",
    play: (scene) =>
      pullsThrough(scene, (host) => {
        scene.etc(`containers/certs.d/${host}/ca.crt`, scene.lab.authority.certificatePem);
        return undefined;
      }),
  },
  {
    name: "the authority in ~/.config/containers/certs.d",
    play: (scene) =>
      pullsThrough(scene, (host) => {
        const file = `.config/containers/certs.d/${host}/ca.crt`;
        scene.write(file, scene.lab.authority.certificatePem);
        return undefined;
      }),
  },
  {
    name: "the authority in SSL_CERT_FILE",
    short: true,
    play: (scene) => pullsThrough(scene, () => trusted(scene)),
  },
  {
    name: "the authority in SSL_CERT_DIR",
    play: (scene) =>
      pullsThrough(scene, () => {
        scene.write("authorities/lab.pem", scene.lab.authority.certificatePem);
        return { SSL_CERT_DIR: join(scene.home, "authorities") };
      }),
  },
  {
    name: "the authority in one of two directories of SSL_CERT_DIR",
    play: (scene) =>
      pullsThrough(scene, () => {
        scene.write("authorities/lab.pem", scene.lab.authority.certificatePem);
        return { SSL_CERT_DIR: `/nonexistent:${join(scene.home, "authorities")}` };
      }),
  },
  {
    name: "the authority in SSL_CERT_DIR under a name that says nothing",
    play: (scene) =>
      pullsThrough(scene, () => {
        scene.write("authorities/company-root", scene.lab.authority.certificatePem);
        return { SSL_CERT_DIR: join(scene.home, "authorities") };
      }),
  },
  {
    name: "the authority among the system's, by update-ca-certificates",
    play: async (scene) => {
      const { host } = await gateway(scene);
      const file = "usr-local-ca/lab.crt";
      const certificates = scene.write(file, scene.lab.authority.certificatePem, 0o644);
      const bundle = await scene.run(["cat", "/etc/ssl/certs/ca-certificates.crt"]);
      const joined = await scene.run(["cat", certificates]);
      scene.lab.machine.writeEtc("ssl/certs/ca-certificates.crt", bundle.stdout + joined.stdout);
      try {
        await scene.pulls({ host, image: scene.lab.images.app });
      } finally {
        scene.lab.machine.writeEtc("ssl/certs/ca-certificates.crt", bundle.stdout);
      }
    },
  },
  {
    name: "the authority in NODE_EXTRA_CA_CERTS",
    play: async (scene) => {
      const { host } = await gateway(scene);
      const file = scene.write("extra.pem", scene.lab.authority.certificatePem);
      const env = { NODE_EXTRA_CA_CERTS: file };
      await scene.pulls({ host, image: scene.lab.images.app, env, peers: [] });
    },
  },
  {
    name: "an intermediate that the server sends",
    play: async (scene) => {
      const { authority } = scene.lab;
      const middle = intermediateOf(authority);
      const leaf = certificateFor(middle);
      const certificatePem = leaf.certificatePem + middle.certificatePem;
      const { host } = await gateway(scene, { certificate: { ...leaf, certificatePem } });
      await scene.pulls({ host, image: scene.lab.images.app, env: trusted(scene) });
    },
  },
  {
    name: "no certificate is looked at with --insecure",
    play: async (scene) => {
      const { host } = await gateway(scene);
      const image = scene.lab.images.app;
      await scene.pulls({
        host,
        image,
        args: ["--insecure"],
        peerArgs: ["--src-tls-verify=false"],
      });
    },
  },
];

function intermediateOf(authority: Authority): Authority {
  const name = "Rootlift Test Intermediate";
  return {
    ...selfSignedCertificate({ names: [name], issuer: authority, isAuthority: true }),
    name,
  };
}

async function refusesCertificate(
  scene: Scene,
  certificate: TestCertificate,
  says: readonly (string | RegExp)[],
): Promise<void> {
  const { host } = await gateway(scene, { certificate });
  const pull = { host, image: scene.lab.images.app, env: trusted(scene) };
  await scene.refuses(pull, { code: "ERR_TLS", says: [host, ...says] });
}

const REFUSED: readonly SceneScript[] = [
  {
    name: "an authority that nobody knows",
    short: true,
    play: (scene) =>
      refusesCertificate(scene, certificateFor(makeAuthority("Other CA")), [
        /unknown authority/,
        "certs.d",
        "--insecure",
      ]),
  },
  {
    name: "a self-signed certificate",
    play: (scene) =>
      refusesCertificate(scene, selfSignedCertificate({ names: [HOST] }), ["is self-signed"]),
  },
  {
    name: "an expired certificate",
    short: true,
    play: (scene) => {
      const past = {
        notBefore: new Date(Date.now() - 2 * DAY_MS),
        notAfter: new Date(Date.now() - DAY_MS),
      };
      return refusesCertificate(scene, certificateFor(scene.lab.authority, past), ["has expired"]);
    },
  },
  {
    name: "a certificate that is not valid yet",
    play: (scene) => {
      const later = {
        notBefore: new Date(Date.now() + DAY_MS),
        notAfter: new Date(Date.now() + 2 * DAY_MS),
      };
      return refusesCertificate(scene, certificateFor(scene.lab.authority, later), [
        "not valid yet",
        "clock",
      ]);
    },
  },
  {
    name: "a certificate for another host",
    play: (scene) =>
      refusesCertificate(
        scene,
        certificateFor(scene.lab.authority, { names: ["elsewhere.test"] }),
        ["for other names", "elsewhere.test"],
      ),
  },
  {
    name: "an intermediate that the server does not send",
    play: (scene) =>
      refusesCertificate(scene, certificateFor(intermediateOf(scene.lab.authority)), [
        "intermediate",
      ]),
  },
  {
    name: "a wrong authority in certs.d",
    play: async (scene) => {
      const { host } = await gateway(scene);
      scene.etc(`docker/certs.d/${host}/ca.crt`, makeAuthority("Other CA").certificatePem);
      const says = [host, "unknown authority"];
      await scene.refuses({ host, image: scene.lab.images.app }, { code: "ERR_TLS", says });
    },
  },
  {
    name: "an authority in certs.d that is no certificate",
    play: async (scene) => {
      const { host } = await gateway(scene);
      scene.etc(`docker/certs.d/${host}/ca.crt`, "this is no PEM\n");
      const says = [host, "unknown authority", "ca.crt"];
      await scene.refuses({ host, image: scene.lab.images.app }, { code: "ERR_TLS", says });
    },
  },
  {
    name: "plain http where https is expected",
    play: async (scene) => {
      const port = scene.lab.origin.host.split(":").at(-1);
      const host = `${HOST}:${port}`;
      const says = [host, "plain http", "--plain-http"];
      await scene.refuses({ host, image: scene.lab.images.app }, { code: "ERR_TLS", says });
    },
  },
  {
    name: "nothing listens there",
    play: async (scene) => {
      const { host, kill } = await gateway(scene);
      await kill();
      const says = [host, "the connection was refused", "127.0.0.1"];
      await scene.refuses({ host, image: scene.lab.images.app }, { code: "ERR_NETWORK", says });
    },
  },
  {
    name: "a name that nobody knows",
    play: async (scene) => {
      const says = ["missing.invalid", "name"];
      await scene.refuses(
        { host: "missing.invalid", image: scene.lab.images.app },
        { code: "ERR_NETWORK", says },
      );
    },
  },
];

/** Client certificates: nginx wants one of the lab's authority. */
async function clientGateway(
  scene: Scene,
): Promise<{ readonly host: string; readonly etc: (name: string, content: string) => void }> {
  const { certificatePem } = scene.lab.authority;
  const { host } = await gateway(scene, {
    files: { "clients.pem": certificatePem },
    server: ["ssl_client_certificate clients.pem; ssl_verify_client on;"],
  });
  const etc = (name: string, content: string): void =>
    scene.etc(`docker/certs.d/${host}/${name}`, content);
  etc("ca.crt", certificatePem);
  return { host, etc };
}

/** The same of docker-registry itself, which ends the connection where nginx answers 400; undici does not show its alert. */
async function clientRegistry(scene: Scene): Promise<{ readonly host: string }> {
  const own = certificateFor(scene.lab.authority);
  const { certificatePem } = scene.lab.authority;
  const registry = await scene.with(
    startDebianRegistry({
      dataPath: scene.lab.origin.dataPath,
      http: [
        "  tls:",
        `    certificate: ${scene.write("server.pem", own.certificatePem)}`,
        `    key: ${scene.write("server.key", own.keyPem)}`,
        `    clientcas: [${scene.write("clients.pem", certificatePem)}]`,
      ],
    }),
  );
  const host = registry.host.replace("127.0.0.1", HOST);
  scene.etc(`docker/certs.d/${host}/ca.crt`, certificatePem);
  return { host };
}

function clientCertificate(authority: Authority): TestCertificate {
  return certificateFor(authority, { names: ["client"] });
}

const CLIENT_CERTIFICATES: readonly SceneScript[] = [
  {
    name: "nginx wants a client certificate, and certs.d has it",
    short: true,
    play: async (scene) => {
      const { host, etc } = await clientGateway(scene);
      const { certificatePem, keyPem } = clientCertificate(scene.lab.authority);
      etc("client.cert", certificatePem);
      etc("client.key", keyPem);
      await scene.pulls({ host, image: scene.lab.images.app });
    },
  },
  {
    name: "nginx wants a client certificate, and there is none",
    play: async (scene) => {
      const { host } = await clientGateway(scene);
      const says = [host, "client certificate", "certs.d"];
      await scene.refuses(
        { host, image: scene.lab.images.app },
        { code: "ERR_REGISTRY_PROTOCOL", says },
      );
    },
  },
  {
    name: "nginx wants a client certificate, and certs.d has one of another authority",
    play: async (scene) => {
      const { host, etc } = await clientGateway(scene);
      const { certificatePem, keyPem } = clientCertificate(makeAuthority("Other CA"));
      etc("client.cert", certificatePem);
      etc("client.key", keyPem);
      const says = [host, "client certificate", "certs.d"];
      await scene.refuses(
        { host, image: scene.lab.images.app },
        { code: "ERR_REGISTRY_PROTOCOL", says },
      );
    },
  },
  {
    name: "docker-registry wants a client certificate, and certs.d has it",
    play: async (scene) => {
      const { host } = await clientRegistry(scene);
      const { certificatePem, keyPem } = clientCertificate(scene.lab.authority);
      scene.etc(`docker/certs.d/${host}/client.cert`, certificatePem);
      scene.etc(`docker/certs.d/${host}/client.key`, keyPem);
      await scene.pulls({ host, image: scene.lab.images.app });
    },
  },
  {
    name: "docker-registry wants a client certificate, and there is none",
    play: async (scene) => {
      const { host } = await clientRegistry(scene);
      const says = [host, "the connection was closed early"];
      await scene.refuses({ host, image: scene.lab.images.app }, { code: "ERR_NETWORK", says });
    },
  },
  {
    name: "docker-registry wants a client certificate, and certs.d has one of another authority",
    play: async (scene) => {
      const { host } = await clientRegistry(scene);
      const { certificatePem, keyPem } = clientCertificate(makeAuthority("Other CA"));
      scene.etc(`docker/certs.d/${host}/client.cert`, certificatePem);
      scene.etc(`docker/certs.d/${host}/client.key`, keyPem);
      const says = [host, "the connection was closed early"];
      await scene.refuses({ host, image: scene.lab.images.app }, { code: "ERR_NETWORK", says });
    },
  },
  {
    name: "a client certificate in certs.d without its key",
    play: async (scene) => {
      const { host, etc } = await clientGateway(scene);
      etc("client.cert", clientCertificate(scene.lab.authority).certificatePem);
      const says = [`/etc/docker/certs.d/${host}/client.cert`, "client.key"];
      await scene.refuses(
        { host, image: scene.lab.images.app },
        { code: "ERR_CONFIG_INVALID", says },
      );
    },
  },
  {
    name: "a client certificate in certs.d with the key of another",
    play: async (scene) => {
      const { host, etc } = await clientGateway(scene);
      etc("client.cert", clientCertificate(scene.lab.authority).certificatePem);
      etc("client.key", clientCertificate(scene.lab.authority).keyPem);
      const says = [`the client certificate /etc/docker/certs.d/${host}/client.cert`];
      await scene.refuses(
        { host, image: scene.lab.images.app },
        { code: "ERR_CONFIG_INVALID", says },
      );
    },
  },
];

export const TLS_SCENES: readonly SceneScript[] = [
  ...AUTHORITIES,
  ...REFUSED,
  ...CLIENT_CERTIFICATES,
];
