import { erofsProblems } from "./erofs-check.ts";
import { imageProblems } from "./ext4-check.ts";
import { withMounted } from "./loop-mount.ts";

/** A format of disk images, with other people's programs that know it. */
export interface ImageKind {
  readonly format: "ext4" | "erofs";
  /** What its checker has to say; nothing when the image is sound. */
  readonly problems: (imagePath: string) => Promise<readonly string[]>;
  /** Shows the mounted image, which nothing can be written to. */
  readonly withMounted: <Result>(
    imagePath: string,
    use: (rootPath: string) => Result | Promise<Result>,
  ) => Promise<Result>;
}

export const EXT4: ImageKind = {
  format: "ext4",
  problems: imageProblems,
  withMounted: (imagePath, use) => withMounted(imagePath, "read-only", use),
};

export const EROFS: ImageKind = {
  format: "erofs",
  problems: erofsProblems,
  withMounted: (imagePath, use) => withMounted(imagePath, "erofs", use),
};
