import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { ImageSource } from "../../src/source/image-source.ts";
import { openImageSource } from "../../src/source/open-image-source.ts";
import { importErrorFrom } from "../support/import-error.ts";
import { OciBlobs } from "../support/oci-blobs.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { SOURCE_OPTIONS } from "../support/source-options.ts";

function open(text: string): Promise<ImageSource> {
  return openImageSource(text, SOURCE_OPTIONS);
}

test("oci:DIR:TAG is a layout", async () => {
  const path = scratchDirectory();
  new OciBlobs().writeLayout(path, []);
  const source = await open(`oci:${path}:case`);
  expect(source.reference).toBe(`oci:${path}:case`);
  await source.close();
});

test.each(["oci-archive", "docker-archive"])("%s:FILE:TAG is an archive", async (scheme) => {
  const path = join(scratchDirectory(), "x.tar");
  writeFileSync(path, Buffer.alloc(1024));
  const source = await open(`${scheme}:${path}:app`);
  expect(source.reference).toBe(`${scheme}:${path}:app`);
  await source.close();
});

test("anything else is a registry, under its canonical name", async () => {
  const source = await open("localhost:1/team/app");
  expect(source.reference).toBe("localhost:1/team/app:latest");
  await source.close();
});

test.each([
  ["docker-archive:", /names no file/, /docker-archive:FILE:NAME:TAG/],
  ["docker-archive://ghcr.io/org/app", /starts with docker-archive:\/\//, /ghcr\.io\/org\/app/],
  ["oci://ghcr.io/org/app", /starts with oci:\/\//, /ghcr\.io\/org\/app/],
  ["a_b.example/c", /"a_b\.example" is not a host name/, /letters, digits/],
  ["", /empty/, /alpine/],
])("%j is refused and says what to do", async (text, message, hint) => {
  const error = await importErrorFrom(open(text));
  expect(error.code).toBe("ERR_REFERENCE_INVALID");
  expect(error.message).toMatch(message);
  expect(error.hint).toMatch(hint);
});

test("oci: of a directory that is not there hints at the image of that name", async () => {
  const error = await importErrorFrom(open("oci:latest"));
  expect(error.code).toBe("ERR_IMAGE_NOT_FOUND");
  expect(error.hint).toMatch(/docker\.io\/library\/oci/);
});
