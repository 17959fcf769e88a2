import type { Credentials } from "../../src/auth/credential-provider.ts";
import { DEFAULT_LIMITS } from "../../src/limits.ts";
import type { Descriptor } from "../../src/oci/descriptor.ts";
import { requireDigest } from "../../src/oci/digest.ts";
import { parseReference } from "../../src/oci/parse-reference.ts";
import type { RegistryClientOptions } from "../../src/registry/registry-client.ts";
import { RegistryClient } from "../../src/registry/registry-client.ts";
import type { RetryEvent } from "../../src/registry/retry-plan.ts";
import type { AddedBlob } from "./test-registry/test-registry.ts";

export interface ClientSetup extends Partial<RegistryClientOptions> {
  /** What the credential provider finds; default nothing. */
  readonly login?: Credentials;
  /** Collects retries. */
  readonly retries?: RetryEvent[];
}

/** A client of a test registry whose waits are short. */
export function testClient(reference: string, setup: ClientSetup = {}): RegistryClient {
  const { login, retries, timing, ...options } = setup;
  const found = login && { credentials: login, origin: "the test's login" };
  return new RegistryClient({
    reference: parseReference(reference),
    env: {},
    credentials: { credentialsFor: async () => found },
    limits: DEFAULT_LIMITS,
    plainHttp: false,
    insecure: false,
    concurrency: 8,
    userAgent: "rootlift/test",
    onRetry: (event) => retries?.push(event),
    timing: { baseDelayMs: 2, maxDelayMs: 5, ...timing },
    ...options,
  });
}

export function descriptorOf(blob: AddedBlob, more: Partial<Descriptor> = {}): Descriptor {
  return {
    mediaType: "application/vnd.oci.image.layer.v1.tar",
    digest: requireDigest(blob.digest, "the test's blob"),
    sizeBytes: blob.sizeBytes,
    ...more,
  };
}

/** All bytes of a stream, read in buffers of this size. */
export async function readStream(
  stream: { read(target: Uint8Array): Promise<number> },
  bufferBytes: number = 64 * 1024,
): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for (;;) {
    const part = new Uint8Array(bufferBytes);
    const filled = await stream.read(part);
    parts.push(part.subarray(0, filled));
    if (filled < part.length) return Buffer.concat(parts);
  }
}
