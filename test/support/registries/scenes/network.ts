import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { startDebianRegistry } from "../../debian-registry.ts";
import { startNginx } from "../nginx.ts";
import { SECRET, type Scene, type SceneScript } from "../scene.ts";
import { startSquid } from "../squid.ts";
import { certificateFor, gateway, trusted } from "./tls.ts";

const PROXIES: readonly SceneScript[] = [
  {
    name: "HTTPS_PROXY: squid connects us to the registry",
    short: true,
    play: async (scene) => {
      const { host } = await gateway(scene);
      const squid = await scene.with(startSquid({ machine: scene.lab.machine }));
      const env = { ...trusted(scene), HTTPS_PROXY: `http://${squid.host}` };
      await scene.pulls({ host, image: scene.lab.images.app, env });
      assert.ok(squid.requests().includes(`CONNECT ${host} 200`), squid.requests().join("\n"));
    },
  },
  {
    name: "NO_PROXY: squid is passed by",
    play: async (scene) => {
      const { host } = await gateway(scene);
      const squid = await scene.with(startSquid({ machine: scene.lab.machine }));
      const env = { ...trusted(scene), HTTPS_PROXY: `http://${squid.host}`, NO_PROXY: ".test" };
      await scene.pulls({ host, image: scene.lab.images.app, env });
      assert.deepEqual(squid.requests(), []);
    },
  },
  {
    name: "HTTP_PROXY with --plain-http: squid sees the requests",
    play: async (scene) => {
      const host = scene.lab.origin.host.replace("127.0.0.1", "registry.test");
      const squid = await scene.with(startSquid({ machine: scene.lab.machine }));
      const env = { HTTP_PROXY: `http://${squid.host}` };
      const options = { args: ["--plain-http"], peerArgs: ["--src-tls-verify=false"] };
      await scene.pulls({ host, image: scene.lab.images.app, env, ...options, peers: [] });
      assert.ok(
        squid.requests().some((line) => line.includes(host)),
        squid.requests().join("\n"),
      );
    },
  },
  {
    name: "squid wants a login, and the proxy's URL has it",
    play: async (scene) => {
      const { host } = await gateway(scene);
      const user = { name: "alice", password: SECRET };
      const squid = await scene.with(startSquid({ machine: scene.lab.machine, user }));
      const env = { ...trusted(scene), HTTPS_PROXY: `http://alice:${SECRET}@${squid.host}` };
      await scene.pulls({ host, image: scene.lab.images.app, env });
    },
  },
  {
    name: "squid wants a login, and there is none",
    play: async (scene) => {
      const { host } = await gateway(scene);
      const user = { name: "alice", password: SECRET };
      const squid = await scene.with(startSquid({ machine: scene.lab.machine, user }));
      const env = { ...trusted(scene), HTTPS_PROXY: `http://${squid.host}` };
      const refusal = { code: "ERR_AUTH_DENIED", says: [squid.host, host, "it wants a login"] };
      await scene.refuses({ host, image: scene.lab.images.app, env }, refusal);
    },
  },
  {
    name: "squid does not allow the host",
    play: async (scene) => {
      const { host } = await gateway(scene);
      const rules = ["acl lab dstdomain .test", "http_access deny lab"];
      const squid = await scene.with(startSquid({ machine: scene.lab.machine, rules }));
      const env = { ...trusted(scene), HTTPS_PROXY: `http://${squid.host}` };
      const refusal = { code: "ERR_NETWORK", says: [squid.host, host, "403", "NO_PROXY"] };
      await scene.refuses({ host, image: scene.lab.images.app, env }, refusal);
    },
  },
  {
    name: "squid dies in mid-pull and comes back",
    play: async (scene) => {
      const { host } = await gateway(scene, { location: ["limit_rate 3m;"] });
      const squid = await scene.with(startSquid({ machine: scene.lab.machine }));
      const env = { ...trusted(scene), HTTPS_PROXY: `http://${squid.host}` };
      await interrupted(scene, { host, env }, async () => {
        await squid.kill();
        await squid.start();
      });
    },
  },
];

async function interrupted(
  scene: Scene,
  pull: { readonly host: string; readonly env: Readonly<Record<string, string>> },
  interrupt: () => Promise<void>,
): Promise<void> {
  const { big: image } = scene.lab.images;
  const running = scene.import({ ...pull, image });
  await scene.untilPlaced(1_000_000, running);
  await interrupt();
  scene.judgeSuccess(await running, image);
}

const STORAGE_SECRET = "storage-key";

/** Blobs are redirected to a second nginx by links that it checks, and that live for so many seconds. */
async function storageGateway(
  scene: Scene,
  seconds: number,
): Promise<{ readonly host: string; readonly check: () => void }> {
  const { lab } = scene;
  const storage = await scene.with(
    startNginx({
      certificate: certificateFor(lab.authority, { names: ["storage.test"] }),
      server: [
        "server_name storage.test;",
        "secure_link $arg_md5,$arg_expires;",
        `secure_link_md5 "$secure_link_expires$uri ${STORAGE_SECRET}";`,
        "location ~ ^/blobs/(..)(.+)$ {",
        'if ($http_authorization) { return 400 "Only one auth mechanism allowed"; }',
        'if ($secure_link != "1") { return 403; }',
        `alias ${lab.origin.dataPath}/docker/registry/v2/blobs/sha256/$1/$1$2/data;`,
        "}",
      ],
    }),
  );
  const redirector = createServer((request, response) => {
    const hex = /sha256:([0-9a-f]+)$/.exec(request.url ?? "")?.[1] ?? "";
    const expires = Math.floor(Date.now() / 1000) + seconds;
    const text = `${expires}/blobs/${hex} ${STORAGE_SECRET}`;
    const md5 = createHash("md5").update(text).digest("base64url");
    const link = `/blobs/${hex}?md5=${md5}&expires=${expires}`;
    response.writeHead(307, { location: `https://storage.test:${storage.port}${link}` }).end();
  });
  await new Promise<void>((settle) => {
    redirector.listen(0, "127.0.0.1", settle);
  });
  const close = (): void => {
    redirector.closeAllConnections();
    redirector.close();
  };
  await scene.with(Promise.resolve({ close }));
  const address = redirector.address();
  if (address === null || typeof address === "string") throw new Error("it has no port");
  const { port } = address;
  const { host } = await gateway(scene, {
    server: [`location ~ /blobs/sha256: { proxy_pass http://127.0.0.1:${port}; }`],
    location: ['proxy_set_header X-Lab "yes";'],
  });
  return {
    host,
    check: () => {
      const seen = storage.requests();
      assert.ok(seen.length >= 3, "the storage host was hardly asked");
      assert.deepEqual(
        seen.filter(({ authorization }) => authorization !== ""),
        [],
      );
    },
  };
}

const ROADS: readonly SceneScript[] = [
  {
    name: "blobs behind signed links on a storage host",
    short: true,
    play: async (scene) => {
      const { host, check } = await storageGateway(scene, 60);
      await scene.pulls({ host, image: scene.lab.images.app, env: trusted(scene) });
      check();
    },
  },
  {
    name: "signed links that have expired already",
    play: async (scene) => {
      const { host } = await storageGateway(scene, -5);
      const pull = { host, image: scene.lab.images.app, env: trusted(scene) };
      const says = [host, "storage.test", "403"];
      await scene.refuses(pull, { code: "ERR_REGISTRY_UNAVAILABLE", says });
    },
  },
  {
    name: "nginx offers HTTP/2, compresses JSON, and merges no slashes",
    play: async (scene) => {
      const nginx = await gateway(scene, {
        http2: true,
        server: ["gzip on; gzip_types *; gzip_proxied any; gzip_min_length 1; merge_slashes off;"],
      });
      await scene.pulls({ host: nginx.host, image: scene.lab.images.app, env: trusted(scene) });
      const ours = nginx.requests().filter(({ protocol }) => protocol === "HTTP/1.1");
      assert.ok(ours.length >= 3, "we do not speak HTTP/1.1");
    },
  },
  {
    name: "limit_req of nginx answers 429 now and then",
    play: async (scene) => {
      const { host } = await gateway(scene, {
        http: ["limit_req_zone $binary_remote_addr zone=lab:1m rate=4r/s; limit_req_status 429;"],
        location: ["limit_req zone=lab burst=1 nodelay;"],
      });
      const pull = { host, image: scene.lab.images.app, env: trusted(scene), peers: [] };
      await scene.pulls(pull);
    },
  },
  {
    name: "limit_req of nginx answers 503 now and then",
    play: async (scene) => {
      const { host } = await gateway(scene, {
        http: ["limit_req_zone $binary_remote_addr zone=lab:1m rate=4r/s;"],
        location: ["limit_req zone=lab burst=1 nodelay;"],
      });
      const pull = { host, image: scene.lab.images.app, env: trusted(scene), peers: [] };
      await scene.pulls(pull);
    },
  },
  {
    name: "nginx dies in mid-pull and comes back",
    short: true,
    play: async (scene) => {
      const nginx = await gateway(scene, { location: ["limit_rate 3m;"] });
      await interrupted(scene, { host: nginx.host, env: trusted(scene) }, async () => {
        await nginx.kill();
        await nginx.start();
      });
      assert.ok(
        nginx.requests().some(({ range }) => range.startsWith("bytes=")),
        "no resume",
      );
    },
  },
  {
    name: "docker-registry dies in mid-pull and comes back",
    play: async (scene) => {
      const { dataPath } = scene.lab.origin;
      const registry = await scene.with(startDebianRegistry({ dataPath }));
      const nginx = await scene.with(
        startNginx({
          server: [
            `location / { proxy_pass http://${registry.host}; proxy_set_header Host $http_host;`,
            "proxy_buffering off; limit_rate 3m; }",
          ],
        }),
      );
      await interrupted(scene, { host: `127.0.0.1:${nginx.port}`, env: {} }, async () => {
        await registry.kill();
        await registry.start();
      });
    },
  },
  {
    name: "docker-registry is dead, and nginx answers 502",
    play: async (scene) => {
      const registry = await scene.with(startDebianRegistry());
      const nginx = await scene.with(
        startNginx({ server: [`location / { proxy_pass http://${registry.host}; }`] }),
      );
      await registry.kill();
      const host = `127.0.0.1:${nginx.port}`;
      const pull = { host, image: scene.lab.images.app, peerArgs: ["--src-tls-verify=false"] };
      await scene.refuses(pull, { code: "ERR_REGISTRY_UNAVAILABLE", says: [host, "502", "later"] });
    },
  },
  {
    name: "a pull-through cache as the mirror, which dies in mid-pull",
    play: async (scene) => {
      const { origin } = scene.lab;
      const cache = await scene.with(
        startDebianRegistry({ config: [`proxy: {remoteurl: "http://${origin.host}"}`] }),
      );
      const mirror = await scene.with(
        startNginx({ server: [`location / { proxy_pass http://${cache.host}; limit_rate 3m; }`] }),
      );
      const args = ["--mirror", `${origin.host}=http://127.0.0.1:${mirror.port}`];
      const { app, big } = scene.lab.images;
      await scene.pulls({ host: origin.host, image: app, args, peers: [] });
      const running = scene.import({ host: origin.host, image: big, args });
      await scene.untilPlaced(1_000_000, running);
      await mirror.kill();
      const run = await running;
      scene.judgeSuccess(run, big);
      assert.match(run.stderr, /mirror/);
    },
  },
  {
    name: "a registry on [::1]",
    play: async (scene) => {
      const { dataPath } = scene.lab.origin;
      const registry = await scene.with(startDebianRegistry({ dataPath, address: "::1" }));
      // skopeo 1.9 takes no address in brackets for a host.
      await scene.pulls({ host: registry.host, image: scene.lab.images.app, peers: [] });
    },
  },
  {
    name: "localhost has two addresses, and one of them refuses",
    play: async (scene) => {
      const { dataPath } = scene.lab.origin;
      const peerArgs = ["--src-tls-verify=false"];
      for (const address of ["127.0.0.1", "::1"] as const) {
        const registry = await scene.with(startDebianRegistry({ dataPath, address }));
        const host = registry.host.replace(/^.*:/, "localhost:");
        await scene.pulls({ host, image: scene.lab.images.app, peerArgs });
      }
    },
  },
  {
    name: "docker schema 2 and zstd layers, as skopeo pushed them",
    play: async (scene) => {
      const peerArgs = ["--src-tls-verify=false"];
      for (const image of [scene.lab.images.docker, scene.lab.images.zstd]) {
        await scene.pulls({ host: scene.lab.origin.host, image, peerArgs });
      }
    },
  },
];

export const NETWORK_SCENES: readonly SceneScript[] = [...PROXIES, ...ROADS];
