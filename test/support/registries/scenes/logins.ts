import { join } from "node:path";
import { startDebianRegistry } from "../../debian-registry.ts";
import { mustRun } from "../../run-program.ts";
import { SECRET, type Scene, type SceneScript } from "../scene.ts";
import { ISSUER, SERVICE, startTokenRealm, type TokenRealm } from "../token-realm.ts";
import { registryLocation, startNginx } from "../nginx.ts";
import { certificateFor, gateway, trusted } from "./tls.ts";

const USER = "alice";
const HOST = "registry.test";

function encoded(password: string): string {
  return Buffer.from(`${USER}:${password}`).toString("base64");
}

/** nginx asks for the password, by htpasswd's bcrypt. */
async function basicGateway(scene: Scene): Promise<string> {
  const file = join(scene.home, "htpasswd");
  await mustRun("htpasswd", ["-bcB", file, USER, SECRET]);
  const { host } = await gateway(scene, {
    location: [`auth_basic "a registry"; auth_basic_user_file ${file};`],
  });
  return host;
}

function dockerLogin(scene: Scene, host: string, password: string): void {
  const auths = { [host]: { auth: encoded(password) } };
  scene.write(".docker/config.json", JSON.stringify({ auths }));
}

/** docker-registry with `auth: token`, behind nginx, which has the token server too. */
async function tokenGateway(
  scene: Scene,
  options: Parameters<typeof startTokenRealm>[0],
  limits: readonly string[] = [],
): Promise<{ readonly host: string; readonly realm: TokenRealm }> {
  const realm = await scene.with(startTokenRealm(options));
  const bundle = scene.write("tokens.pem", realm.certificatePem, 0o644);
  // The realm's port is known when nginx runs: its own port stands in the challenge.
  const front = await scene.with(
    startNginx({
      certificate: certificateFor(scene.lab.authority),
      server: [`server_name ${HOST};`, `location /token { proxy_pass http://${realm.host}; }`],
    }),
  );
  const registry = await scene.with(
    startDebianRegistry({
      dataPath: scene.lab.origin.dataPath,
      config: [
        `auth: {token: {realm: "https://${HOST}:${front.port}/token", service: "${SERVICE}", issuer: "${ISSUER}", rootcertbundle: "${bundle}"}}`,
      ],
    }),
  );
  const nginx = await scene.with(
    startNginx({
      certificate: certificateFor(scene.lab.authority),
      server: [`server_name ${HOST};`, ...registryLocation(registry.host, limits)],
    }),
  );
  return { host: `${HOST}:${nginx.port}`, realm };
}

/** `pass` with a key of its own, and a login in it, as `docker login` stores it. */
async function passHome(scene: Scene, host: string): Promise<Readonly<Record<string, string>>> {
  const env = {
    GNUPGHOME: join(scene.home, "gnupg"),
    PASSWORD_STORE_DIR: join(scene.home, "pass"),
  };
  const must = async (script: string): Promise<void> => {
    const run = await scene.run(["sh", "-ec", script], env);
    if (run.exitCode !== 0) throw new Error(`${script}: ${run.stderr}`);
  };
  const stored = JSON.stringify({ ServerURL: host, Username: USER, Secret: SECRET });
  await must('mkdir -m 700 "$GNUPGHOME"');
  await must(
    "gpg --batch -q --passphrase '' --quick-gen-key lab@rootlift.test default default never",
  );
  await must("pass init lab@rootlift.test");
  await must(`echo '${stored}' | docker-credential-pass store`);
  const agent = { close: () => must("gpgconf --kill gpg-agent") };
  await scene.with(Promise.resolve(agent));
  return env;
}

const BASIC: readonly SceneScript[] = [
  {
    name: "htpasswd of nginx, and docker's config has the login",
    short: true,
    play: async (scene) => {
      const host = await basicGateway(scene);
      dockerLogin(scene, host, SECRET);
      await scene.pulls({ host, image: scene.lab.images.app, env: trusted(scene) });
    },
  },
  {
    name: "htpasswd of nginx, and podman's auth.json has the login",
    play: async (scene) => {
      const host = await basicGateway(scene);
      const auths = { [host]: { auth: encoded(SECRET) } };
      scene.write("run/containers/auth.json", JSON.stringify({ auths }));
      const peers = ["skopeo", "podman"] as const;
      await scene.pulls({ host, image: scene.lab.images.app, env: trusted(scene), peers });
    },
  },
  {
    name: "htpasswd of nginx, and the environment has the login",
    play: async (scene) => {
      const host = await basicGateway(scene);
      const env = { ...trusted(scene), ROOTLIFT_USERNAME: USER, ROOTLIFT_PASSWORD: SECRET };
      await scene.pulls({ host, image: scene.lab.images.app, env, peers: [] });
    },
  },
  {
    name: "htpasswd of nginx, and the password is wrong",
    play: async (scene) => {
      const host = await basicGateway(scene);
      dockerLogin(scene, host, `${SECRET}-of-old`);
      const pull = { host, image: scene.lab.images.app, env: trusted(scene) };
      await scene.refuses(pull, { code: "ERR_AUTH_DENIED", says: [host, "config.json"] });
    },
  },
  {
    name: "htpasswd of nginx, and there is no login",
    play: async (scene) => {
      const host = await basicGateway(scene);
      const pull = { host, image: scene.lab.images.app, env: trusted(scene) };
      await scene.refuses(pull, { code: "ERR_AUTH_REQUIRED", says: [host, "docker login"] });
    },
  },
];

const HELPERS: readonly SceneScript[] = (["credHelpers", "credsStore"] as const).flatMap((way) => [
  {
    name: `docker-credential-pass by ${way}`,
    ...(way === "credHelpers" ? { short: true as const } : {}),
    play: async (scene: Scene) => {
      const host = await basicGateway(scene);
      const env = { ...trusted(scene), ...(await passHome(scene, host)) };
      const config =
        way === "credHelpers" ? { credHelpers: { [host]: "pass" } } : { credsStore: "pass" };
      scene.write(".docker/config.json", JSON.stringify(config));
      // skopeo 1.9 reads no credsStore.
      const peers = way === "credHelpers" ? (["skopeo"] as const) : [];
      await scene.pulls({ host, image: scene.lab.images.app, env, peers });
    },
  },
  {
    name: `docker-credential-pass by ${way} has no login for this host`,
    play: async (scene: Scene) => {
      const host = await basicGateway(scene);
      const env = { ...trusted(scene), ...(await passHome(scene, "https://elsewhere.test")) };
      const config =
        way === "credHelpers" ? { credHelpers: { [host]: "pass" } } : { credsStore: "pass" };
      scene.write(".docker/config.json", JSON.stringify(config));
      const pull = { host, image: scene.lab.images.app, env };
      await scene.refuses(pull, { code: "ERR_AUTH_REQUIRED", says: [host, "docker login"] });
    },
  },
]);

const TOKENS: readonly SceneScript[] = [
  {
    name: "docker-registry's auth: token, anonymous",
    play: async (scene) => {
      const { host } = await tokenGateway(scene, {});
      await scene.pulls({ host, image: scene.lab.images.app, env: trusted(scene) });
    },
  },
  {
    name: "docker-registry's auth: token, with a login",
    short: true,
    play: async (scene) => {
      const { host } = await tokenGateway(scene, { users: { [USER]: SECRET } });
      dockerLogin(scene, host, SECRET);
      await scene.pulls({ host, image: scene.lab.images.app, env: trusted(scene) });
    },
  },
  {
    name: "docker-registry's auth: token, with a wrong password",
    play: async (scene) => {
      const { host } = await tokenGateway(scene, { users: { [USER]: SECRET } });
      dockerLogin(scene, host, `${SECRET}-of-old`);
      const pull = { host, image: scene.lab.images.app, env: trusted(scene) };
      await scene.refuses(pull, { code: "ERR_AUTH_DENIED", says: [HOST, "config.json"] });
    },
  },
  {
    name: "docker-registry's auth: token, without a login",
    play: async (scene) => {
      const { host } = await tokenGateway(scene, { users: { [USER]: SECRET } });
      const pull = { host, image: scene.lab.images.app, env: trusted(scene) };
      await scene.refuses(pull, { code: "ERR_AUTH_REQUIRED", says: [HOST, "docker login"] });
    },
  },
  {
    name: "tokens of 2 s, and blobs that take longer",
    play: async (scene) => {
      const { host, realm } = await tokenGateway(scene, { tokenSeconds: 2, expiresIn: 300 }, [
        "limit_rate 2m;",
      ]);
      const pull = { host, image: scene.lab.images.app, env: trusted(scene), peers: [] };
      await scene.pulls({ ...pull, args: ["--concurrency", "1"] });
      await scene.pulls({ ...pull, image: scene.lab.images.big });
      if (realm.tokens.requests.length < 2) throw new Error("one token was enough");
    },
  },
];

export const LOGIN_SCENES: readonly SceneScript[] = [...BASIC, ...HELPERS, ...TOKENS];
