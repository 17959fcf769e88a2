import { expect, test } from "vitest";
import { descriptionLines } from "../../src/cli/description-text.ts";
import type { SandboxTemplate } from "../../src/index.ts";

const IMAGE: SandboxTemplate = {
  id: "sandbox_template_1",
  name: "app",
  snapshotId: "snap_1",
  snapshotSandboxId: "import_1",
  snapshotUri: "file:///store/snapshots/snap_1/rootfs",
  snapshotFormatVersion: "rootlift_directory_v1",
  snapshotSizeBytes: 512,
  rootfsDiskBytes: 10 * 2 ** 30,
  rootfsNodeKind: "base",
  public: false,
  dockerfile: "FROM app:1\n",
  project: "default",
  format: "dir",
  path: "/store/snapshots/snap_1/rootfs",
  layers: [{ digest: "sha256:aa", diffId: "sha256:bb", sizeBytes: 2048 }],
  createdAt: "2026-01-02T03:04:05.000Z",
  config: {
    env: ["PATH=/bin", "X=\u001B[31m"],
    entrypoint: ["/bin/sh", "-c"],
    labels: { "org.example": "v", a: "b" },
    exposedPorts: [],
    volumes: [],
    workingDir: "/srv",
  },
};

test("labels are padded, the first three fields come first and the others in key order", () => {
  expect(descriptionLines(IMAGE)).toEqual([
    "Name:        app",
    "ID:          sandbox_template_1",
    "Snapshot ID: snap_1",
    "Config:",
    '  Entrypoint:  ["/bin/sh","-c"]',
    "  Env:",
    "    PATH=/bin",
    String.raw`    X=\x1b[31m`,
    "  ExposedPorts: -",
    "  Labels:",
    "    a: b",
    "    org.example: v",
    "  Volumes:     -",
    "  WorkingDir:  /srv",
    "CreatedAt:   2026-01-02T03:04:05.000Z",
    "Dockerfile:",
    "  FROM app:1",
    "Format:      dir",
    "Layers:",
    "  sha256:aa (2.00 KiB)",
    "Path:        /store/snapshots/snap_1/rootfs",
    "Project:     default",
    "Public:      false",
    "RootfsDiskBytes: 10737418240 (10.0 GiB)",
    "RootfsNodeKind: base",
    "SnapshotFormatVersion: rootlift_directory_v1",
    "SnapshotSandboxId: import_1",
    "SnapshotSizeBytes: 512 (512 B)",
    "SnapshotUri: file:///store/snapshots/snap_1/rootfs",
  ]);
});

test("fields nobody knows yet are shown, whatever they hold", () => {
  const lines = descriptionLines(
    Object.assign({}, IMAGE, { zone: { nested: [1, { b: null }] }, "\u001B[2J": "\u0007" }),
  );
  expect(lines).toContain("Zone:");
  expect(lines).toContain("  Nested:");
  expect(lines).toContain('    {"b":null}');
  expect(lines.join("\n")).not.toMatch(/[^\P{C}\n]/u);
});
