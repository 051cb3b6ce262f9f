import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { packOciArchive, readOciImage } from './oci-layout.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'famfs-csi-oci-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const digestOf = (bytes: string | Buffer): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** A layout of an image with one layer that holds `text`. */
function writeLayout(name: string, text: string, diffId = digestOf(text)): string {
  const layout = path.join(folder, name);
  const blobs = path.join(layout, 'blobs/sha256');
  mkdirSync(blobs, { recursive: true });
  const put = (bytes: string | Buffer, mediaType: string) => {
    const digest = digestOf(bytes);
    writeFileSync(path.join(blobs, digest.slice('sha256:'.length)), bytes);
    return { mediaType, digest, size: Buffer.byteLength(bytes) };
  };
  const layer = put(gzipSync(text), 'application/vnd.oci.image.layer.v1.tar+gzip');
  const config = put(
    JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [diffId] } }),
    'application/vnd.oci.image.config.v1+json',
  );
  const manifest = put(
    JSON.stringify({ schemaVersion: 2, config, layers: [layer] }),
    'application/vnd.oci.image.manifest.v1+json',
  );
  writeFileSync(path.join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(path.join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [manifest] }));
  return layout;
}

describe('an image in a folder', () => {
  test('tells its layers, stored and unpacked', async () => {
    const text = 'a layer '.repeat(1000);
    const { layers, config, manifestDigest } = await readOciImage(writeLayout('image', text));
    assert.equal(config.architecture, 'amd64');
    assert.match(manifestDigest, /^sha256:[0-9a-f]{64}$/);
    assert.deepEqual(
      layers.map(({ diffId, unpackedBytes, storedBytes }) => [diffId, unpackedBytes, storedBytes < 1000]),
      [[digestOf(text), 8000, true]],
    );
  });

  test('is refused when a layer is not what the image says', async () => {
    const layout = writeLayout('damaged', 'what is there', digestOf('what should be there'));
    await assert.rejects(readOciImage(layout), /Layer 0 of .* is sha256/);
  });

  test('becomes the same archive each time, with its name where containerd looks for it', () => {
    const archives = ['one', 'two'].map((name) => {
      const file = path.join(folder, `${name}.tar`);
      packOciArchive(writeLayout(name, 'the same'), 'example.org/image:1', file);
      return readFileSync(file);
    });
    assert.ok(archives[0]?.equals(archives[1] ?? Buffer.of()), 'two archives of one image differ');
    const index = execFileSync('tar', ['-xOf', path.join(folder, 'one.tar'), 'index.json'], {
      encoding: 'utf8',
    });
    const { manifests } = JSON.parse(index) as { manifests: { annotations: Record<string, string> }[] };
    assert.equal(manifests[0]?.annotations['io.containerd.image.name'], 'example.org/image:1');
  });
});
