import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { ServedImage } from "./served-image.ts";

/** What every connection is like. */
export interface Line {
  readonly bytesPerSecond: number;
  /** Before each answer, and once more before the first one of a connection. */
  readonly roundTripMs: number;
}

export interface ServeRequest {
  readonly image: ServedImage;
  readonly line: Line;
}

export type ServerAnswer =
  | { readonly kind: "ready"; readonly host: string }
  | ({ readonly kind: "counts" } & RequestCounts);

/** Since the server was started. */
export interface RequestCounts {
  readonly requests: number;
  /** For parts of blobs. */
  readonly ranges: number;
}

export interface ImageServer {
  /** HOST/REPOSITORY:TAG */
  readonly reference: string;
  counts(): Promise<RequestCounts>;
  /** The server removes the directory of its blobs. */
  close(): Promise<void>;
}

/** Serves one image over lines that are slow and far, from the test registry in another process. */
export async function startImageServer(image: ServedImage, line: Line): Promise<ImageServer> {
  const child = fork(join(import.meta.dirname, "serve-image.ts"), { stdio: "inherit" });
  const ended = once(child, "exit");
  const ask = async (question: ServeRequest | "counts"): Promise<ServerAnswer> => {
    const answered = once(child, "message");
    child.send(question);
    const [answer]: ServerAnswer[] = await answered;
    if (answer === undefined) throw new Error("the image server does not answer");
    return answer;
  };
  const ready = await ask({ image, line });
  if (ready.kind !== "ready") throw new Error("the image server does not start");
  return {
    reference: `${ready.host}/bench/image:1`,
    counts: async () => {
      const answer = await ask("counts");
      if (answer.kind !== "counts") throw new Error("the image server does not count");
      return { requests: answer.requests, ranges: answer.ranges };
    },
    close: async () => {
      child.disconnect();
      await ended;
    },
  };
}
