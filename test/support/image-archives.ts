import { digestText } from "./digest-text.ts";
import { blockEntry, type BlockHeader } from "./hostile/tar-blocks.ts";
import type { OciBlobs } from "./oci-blobs.ts";
import { encodeImage, type TestImage } from "./test-registry/test-image.ts";

export interface Member extends BlockHeader {
  readonly body?: Uint8Array | string;
}

const END = Buffer.alloc(1024);

/** A tar archive of these members with its end marker. */
export function archiveOf(members: readonly Member[]): Buffer {
  return Buffer.concat([...members.map(membersBlocks), END]);
}

export function membersBlocks({ body = "", ...header }: Member): Buffer {
  return blockEntry(header, Buffer.from(body));
}

/** The same members, the one of this name with another body; `undefined` leaves it out. */
export function withBody(
  members: readonly Member[],
  name: string,
  change: (body: string) => Uint8Array | string | undefined,
): Member[] {
  return members.flatMap((member) => {
    if (member.name !== name) return [member];
    const body = change(Buffer.from(member.body ?? "").toString("latin1"));
    return body === undefined ? [] : [{ ...member, body }];
  });
}

/** The members of a layout; `manifests` are the entries of its index. */
export function layoutMembers(blobs: OciBlobs, manifests: readonly unknown[]): Member[] {
  return [
    ...[...blobs.byDigest].map(([digest, body]) => ({
      name: `blobs/${digest.replace(":", "/")}`,
      body,
    })),
    { name: "index.json", body: JSON.stringify({ schemaVersion: 2, manifests }) },
    { name: "oci-layout", body: '{"imageLayoutVersion":"1.0.0"}' },
  ];
}

/** Who writes `docker-archive`s, and so where its parts lie. */
export type DockerForm = "docker" | "docker 25" | "linked" | "kaniko" | "jib";

export interface DockerParts {
  readonly members: readonly Member[];
  /** An item of manifest.json. */
  readonly item: {
    readonly Config: string;
    readonly RepoTags: readonly string[] | null;
    readonly Layers: readonly string[];
  };
}

/** One image as such an archive holds it. Layers are taken as they are, compressed or not. */
export function dockerParts(
  image: TestImage,
  form: DockerForm,
  tags: readonly string[] | null = ["app:1"],
): DockerParts {
  const config = encodeImage(image).configBytes;
  const hex = digestText(config).slice(7);
  const names: Record<DockerForm, string> = {
    docker: `${hex}.json`,
    "docker 25": `blobs/sha256/${hex}`,
    linked: `${hex}.json`,
    kaniko: `sha256:${hex}`,
    jib: "config.json",
  };
  const layers = image.layers.map(({ bytes, diffId }, at) => layerMembers(form, bytes, diffId, at));
  return {
    members: [{ name: names[form], body: config }, ...layers.flatMap(({ members }) => members)],
    item: { Config: names[form], RepoTags: tags, Layers: layers.map(({ name }) => name) },
  };
}

function layerMembers(
  form: DockerForm,
  body: Uint8Array,
  diffId: string,
  at: number,
): { readonly name: string; readonly members: readonly Member[] } {
  const hex = digestText(body).slice(7);
  const id = `${at}`.padStart(64, "c");
  const plain = (name: string): { readonly name: string; readonly members: readonly Member[] } => ({
    name,
    members: [{ name, body }],
  });
  if (form === "docker 25") return plain(`blobs/sha256/${hex}`);
  if (form === "kaniko" || form === "jib") return plain(`${hex}.tar.gz`);
  if (form === "docker") {
    const { name, members } = plain(`${id}/layer.tar`);
    return { name, members: [{ name: `${id}/`, type: "5" }, ...members] };
  }
  const name = `${diffId.slice(7)}.tar`;
  const link = { name: `${id}/layer.tar`, type: "2", link: `../${name}` };
  // docker before 25 lists such links for layers that an image has twice; skopeo writes them for old readers.
  return { name: link.name, members: [{ name, body }, link] };
}

/** An archive of `docker save`. */
export function dockerArchive(images: readonly DockerParts[]): Buffer {
  const list = JSON.stringify(images.map(({ item }) => item));
  const members = images.flatMap((image) => image.members);
  return archiveOf([...members, { name: "manifest.json", body: list }]);
}
