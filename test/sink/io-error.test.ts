import { expect, test } from "vitest";
import { ImportError } from "../../src/errors.ts";
import { errnoOf, ioError } from "../../src/sink/io-error.ts";
import { closeFd, posixAvailable, PosixError } from "../../src/sink/posix.ts";

const failing = (code: string): Error => Object.assign(new Error(code), { code, syscall: "write" });

test.each([
  ["ENOSPC", "ERR_DISK_FULL", 'cannot write "a": no space is left at /place'],
  ["EDQUOT", "ERR_DISK_FULL", 'cannot write "a": the disk quota is used up at /place'],
  ["EIO", "ERR_OUTPUT_IO", 'cannot write "a" at /place: the disk reports an error (EIO)'],
  ["EROFS", "ERR_OUTPUT_IO", 'cannot write "a" at /place: the file system is read-only (EROFS)'],
  ["EXDEV", "ERR_OUTPUT_IO", 'cannot write "a" at /place: EXDEV'],
  [
    "EMLINK",
    "ERR_LIMIT_EXCEEDED",
    'cannot write "a" at /place: the file system allows no more links (EMLINK)',
  ],
  [
    "ENAMETOOLONG",
    "ERR_NAME_TOO_LONG",
    'cannot write "a" at /place: the file system takes no name that long (ENAMETOOLONG)',
  ],
])("%s is %s", (errno, code, message) => {
  const cause = failing(errno);
  const error = ioError(cause, 'write "a"', "/place");
  expect(error).toBeInstanceOf(ImportError);
  expect(error).toMatchObject({ code, message, cause, details: { path: "/place", errno } });
  expect(error).toHaveProperty("hint", expect.stringMatching(/^[A-Z].*\.$/));
});

test("an error that tells more, and a bug, come back as they are", () => {
  const known = new ImportError("ERR_CANCELLED", "the import was cancelled");
  const bug = new TypeError("a bug");
  expect(ioError(known, "write", "/place")).toBe(known);
  expect(ioError(bug, "write", "/place")).toBe(bug);
  expect(ioError("thrown text", "write", "/place")).toBe("thrown text");
});

test("a failed system call carries the errno's name, as Node's errors do", () => {
  expect(posixAvailable()).toBe(true);
  let caught: unknown;
  try {
    closeFd(-1);
  } catch (error) {
    caught = error;
  }
  expect(caught).toBeInstanceOf(PosixError);
  expect(caught).toMatchObject({ code: "EBADF", syscall: "close", message: "close: EBADF" });
  expect(errnoOf(caught)).toBe("EBADF");
});
