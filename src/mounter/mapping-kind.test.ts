import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, beforeEach, describe, it } from 'node:test';
import { assertNothingLeaked, enterPrivateMounts } from '../../test/private-mounts.ts';
import { mountFileSystem, unmount } from '../linux/mounts.ts';
import { inspectMapping } from './mapping-kind.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

/** As if the device were all of the machine's memory: every page lies in it. */
const everywhere = { start: 0n, sizeBytes: 1n << 52n };
const nowhere = { start: 1n << 51n, sizeBytes: 4096n };

describe('what kind of memory a mapping is', { skip }, () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'mapping-'));
    mountFileSystem({ source: 'none', target: folder, type: 'tmpfs' });
    writeFileSync(path.join(folder, 'data'), Buffer.alloc(8 << 20, 7));
    writeFileSync(path.join(folder, 'empty'), '');
    symlinkSync('data', path.join(folder, 'link'));
  });
  afterEach(() => {
    unmount(folder);
    rmSync(folder, { recursive: true });
  });

  const inspect = (file: string, simulated: boolean, physical: typeof everywhere | undefined) =>
    inspectMapping(folder, { path: file, simulated, physical });

  it('is the page cache when its pages lie elsewhere than the device, or nobody knows where that is', () => {
    for (const physical of [nowhere, undefined]) {
      const { kind, pageSizeBytes, mappedBytes, evidence } = inspect('data', false, physical);
      assert.deepEqual([kind, pageSizeBytes, mappedBytes], ['page-cache', 4096, 8n << 20n], evidence);
    }
  });

  it('is DAX when its pages lie in the device, and of small pages unless a touch brings in 2 MiB', () => {
    const { kind, evidence } = inspect('data', false, everywhere);
    assert.equal(kind, 'dax-4kib', evidence);
    assert.match(evidence, /4 touches/);
  });

  it('is never DAX when it is simulated, wherever its pages lie', () => {
    for (const physical of [everywhere, nowhere, undefined]) {
      assert.equal(inspect('data', true, physical).kind, 'simulated');
    }
  });

  it('is told of files only, and through no link', () => {
    assert.throws(() => inspect('empty', false, nowhere), { reason: 'invalid-argument' });
    assert.throws(() => inspect('none', false, nowhere), { reason: 'path-not-visible' });
    assert.throws(() => inspect('link', false, nowhere));
    assert.throws(() => inspect('../data', false, nowhere));
  });
});
