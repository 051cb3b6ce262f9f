import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { assertNothingLeaked, enterPrivateMounts } from '../../test/private-mounts.ts';
import { waitUntil } from '../../test/wait-until.ts';
import { mountFileSystem, unmount } from '../linux/mounts.ts';
import { processState } from '../linux/processes.ts';
import { clearDummyLeftovers } from './dummy-leftovers.ts';

const { skip } = enterPrivateMounts();
after(assertNothingLeaked);

describe('what famfs leaves of a dummy mount', { skip }, () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'leftovers-'));
  const at = (name: string): string => path.join(folder, name);
  const clear = (): string[] => clearDummyLeftovers(folder, { kind: 'image' }).sort();
  // A file system of its own: other daemons of this machine may share /tmp.
  before(() => mountFileSystem({ source: 'none', target: folder, type: 'tmpfs' }));
  after(() => {
    unmount(folder);
    rmSync(folder, { recursive: true });
  });
  afterEach(() => {
    for (const name of readdirSync(folder)) rmSync(at(name), { recursive: true });
  });

  /** Runs while a process of that name, with that command line, is there. */
  async function beside(comm: string, words: readonly string[], work: () => void): Promise<void> {
    const program = `require('fs').writeFileSync('/proc/self/comm', '${comm}'); setInterval(() => {}, 1000)`;
    const child = spawn(process.execPath, ['--eval', program, '--', ...words], { stdio: 'ignore' });
    const ended = once(child, 'exit');
    try {
      await waitUntil('it has its name', () => processState(child.pid ?? 0)?.comm === comm);
      work();
    } finally {
      child.kill('SIGKILL');
      await ended;
    }
  }

  it('is removed, mount point and shadow tree', () => {
    mkdirSync(at('famfs_dummy_Ab12Cd'));
    mkdirSync(at('famfs_shadow_Ef34Gh/root/.meta'), { recursive: true });
    writeFileSync(at('famfs_shadow_Ef34Gh/root/.meta/.log'), '---\n');
    assert.deepEqual(clear(), [at('famfs_dummy_Ab12Cd'), at('famfs_shadow_Ef34Gh')]);
    assert.deepEqual(readdirSync(folder), []);
  });

  it('is told by the very names that famfs gives', () => {
    for (const name of ['famfs_dummy_', 'famfs_dummy_toolong', 'famfs_dummy_Ab12C!', 'my_famfs_dummy_Ab12Cd'])
      mkdirSync(at(name));
    writeFileSync(at('famfs_shadow_Ef34Gh'), 'a file');
    assert.deepEqual(clear(), []);
    assert.equal(readdirSync(folder).length, 5);
  });

  it('stays while something is in the mount point, or is mounted on or below it', () => {
    mkdirSync(at('famfs_dummy_Ab12Cd/something'), { recursive: true });
    mkdirSync(at('famfs_dummy_Ij56Kl'));
    mkdirSync(at('famfs_shadow_Ef34Gh/root'), { recursive: true });
    const mounts = [at('famfs_dummy_Ij56Kl'), at('famfs_shadow_Ef34Gh/root')];
    for (const target of mounts) mountFileSystem({ source: 'none', target, type: 'tmpfs' });
    try {
      assert.deepEqual(clear(), []);
    } finally {
      for (const target of mounts) unmount(target);
    }
    assert.equal(readdirSync(folder).length, 3);
  });

  it('stays when a daemon serves from it', async () => {
    mkdirSync(at('famfs_shadow_Ef34Gh'));
    mkdirSync(at('famfs_shadow_Mn78Op'));
    const words = ['-o', `daxdev=/dev/dax0.0,shadow=${at('famfs_shadow_Ef34Gh')},fsname=x`, '/mnt/famfs'];
    await beside('famfs_fused', words, () => assert.deepEqual(clear(), [at('famfs_shadow_Mn78Op')]));
    assert.deepEqual(clear(), [at('famfs_shadow_Ef34Gh')]);
  });

  it('stays while a famfs command runs that may just have made it', async () => {
    mkdirSync(at('famfs_dummy_Ab12Cd'));
    for (const comm of ['famfs', 'mkfs.famfs']) await beside(comm, [], () => assert.deepEqual(clear(), []));
    assert.deepEqual(clear(), [at('famfs_dummy_Ab12Cd')]);
  });

  it('is none where there is no such folder', () => {
    assert.deepEqual(clearDummyLeftovers(at('absent'), { kind: 'image' }), []);
  });
});
