import { digestText } from "../test/support/digest-text.ts";
import { encodeImage, type TestImage } from "../test/support/test-registry/test-image.ts";

/** Pushes an image through the distribution API, as any client does (distribution-spec, "Push"). */
export async function pushImage(
  target: {
    readonly registryUrl: string;
    readonly repository: string;
    readonly tag: string;
    /** Sent with every request, e.g. `authorization`. */
    readonly headers?: Readonly<Record<string, string>>;
  },
  image: TestImage,
): Promise<void> {
  const { headers = {} } = target;
  const base = `${target.registryUrl}/v2/${target.repository}`;
  const { configBytes, manifestBytes, mediaType } = encodeImage(image);
  for (const bytes of [configBytes, ...image.layers.map((layer) => layer.bytes)]) {
    const begun = await fetch(`${base}/blobs/uploads/`, { method: "POST", headers });
    const upload = new URL(begun.headers.get("location") ?? "", base);
    upload.searchParams.set("digest", digestText(bytes));
    await expectCreated(
      await fetch(upload, { method: "PUT", headers, body: new Uint8Array(bytes) }),
    );
  }
  const body = new Uint8Array(manifestBytes);
  await expectCreated(
    await fetch(`${base}/manifests/${target.tag}`, {
      method: "PUT",
      headers: { ...headers, "content-type": mediaType },
      body,
    }),
  );
}

async function expectCreated(response: Response): Promise<void> {
  if (response.status === 201) return;
  throw new Error(`${response.url} answered ${response.status}: ${await response.text()}`);
}
