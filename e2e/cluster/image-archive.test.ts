import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { packImage } from './image-archive.ts';

describe('an image archive', () => {
  let folder: string;
  let root: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'famfs-csi-image-'));
    root = path.join(folder, 'root');
    mkdirSync(path.join(root, 'bin'), { recursive: true });
    writeFileSync(path.join(root, 'bin/greet'), 'hello', { mode: 0o755 });
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const config = { Entrypoint: ['/bin/greet'], User: '65532:65532' };

  test('names every part by the digest of its bytes, and holds the folder as its only layer', () => {
    const archive = path.join(folder, 'image.tar');
    packImage(root, 'example.test/greet:1', config, archive);
    const out = path.join(folder, 'out');
    mkdirSync(out);
    execFileSync('tar', ['-C', out, '-xf', archive]);
    const read = (digest: string): Buffer => {
      const bytes = readFileSync(path.join(out, 'blobs', digest.replace(':', '/')));
      assert.equal(`sha256:${createHash('sha256').update(bytes).digest('hex')}`, digest);
      return bytes;
    };
    const index = JSON.parse(readFileSync(path.join(out, 'index.json'), 'utf8'));
    assert.equal(index.manifests[0].annotations['io.containerd.image.name'], 'example.test/greet:1');
    const manifest = JSON.parse(read(index.manifests[0].digest).toString());
    const configuration = JSON.parse(read(manifest.config.digest).toString());
    assert.deepEqual(configuration.config, config);
    assert.deepEqual(configuration.rootfs.diff_ids, [manifest.layers[0].digest]);
    const listed = execFileSync('tar', ['-tf', '-'], {
      input: read(manifest.layers[0].digest),
      encoding: 'utf8',
    });
    assert.deepEqual(listed.trim().split('\n'), ['./', './bin/', './bin/greet']);
  });

  test('of the same files is the same, whenever they were written, and nothing is left beside it', () => {
    const [first, second] = [path.join(folder, '1.tar'), path.join(folder, '2.tar')];
    packImage(root, 'example.test/greet:1', config, first);
    utimesSync(path.join(root, 'bin/greet'), 1, 2);
    packImage(root, 'example.test/greet:1', config, second);
    const layerOf = (archive: string): string =>
      execFileSync('tar', ['-xOf', archive, 'index.json'], { encoding: 'utf8' });
    assert.equal(layerOf(first), layerOf(second));
    assert.deepEqual(readdirSync(folder).sort(), ['1.tar', '2.tar', 'root']);
  });
});
