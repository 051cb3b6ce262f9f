import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, beforeEach, describe, it } from 'node:test';
import { assertNothingLeaked, enterPrivateMounts } from '../../test/private-mounts.ts';
import { readMountTable } from '../linux/mount-table.ts';
import { mountFileSystem, mountFlags, setPropagation, unmount } from '../linux/mounts.ts';
import { describeHolders, holdersOfSuperblock, refuseHeldDevice } from './holders.ts';

const { skip } = enterPrivateMounts();
after(assertNothingLeaked);

describe('who holds a mount', { skip }, () => {
  let folder: string;
  let place: string;

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'holders-'));
    mountFileSystem({ source: 'none', target: folder, type: 'tmpfs' });
    setPropagation(folder, 'shared');
    place = path.join(folder, 'pool');
    mkdirSync(place);
    mountFileSystem({ source: '/dev/dax7.0', target: place, type: 'tmpfs' });
    mkdirSync(path.join(place, 'sub'));
  });
  afterEach(() => {
    unmount(folder, { detach: true });
    rmdirSync(folder);
  });

  function holders() {
    const entry = readMountTable().find(({ mountPoint }) => mountPoint === place);
    assert.ok(entry);
    return holdersOfSuperblock(entry.deviceMajor, entry.deviceMinor, place);
  }

  /** Looks from here while a process lives in a copy of this mount namespace. */
  async function beside(propagation: string, look: (pid: number) => void): Promise<void> {
    const copy = spawn(
      'unshare',
      ['--mount', '--propagation', propagation, 'sh', '-c', 'echo held; read -r _'],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    await once(copy.stdout, 'data');
    try {
      look(copy.pid ?? 0);
    } finally {
      const ended = once(copy, 'exit');
      copy.stdin.end('\n');
      await ended;
    }
  }

  it('is nobody when the mount itself is all there is', () => {
    assert.deepEqual(holders(), []);
  });

  it('is a bind of any part of it', () => {
    const target = path.join(folder, 'target');
    mkdirSync(target);
    mountFileSystem({ source: path.join(place, 'sub'), target, type: 'none', flags: mountFlags.bind });
    const [holder] = holders();
    assert.deepEqual(holder?.mountPoints, [target]);
    assert.match(describeHolders(holders()), new RegExp(`\\(pid ${holder?.pid}\\) at ${target}$`));
  });

  it('is a namespace that keeps its own copy, at the very same place too', async () => {
    await beside('private', (pid) => {
      assert.deepEqual(
        holders().map((holder) => [holder.pid, holder.mountPoints]),
        [[pid, [place]]],
      );
    });
    assert.deepEqual(holders(), []);
  });

  it('is not a namespace whose copy goes when the mount does', async () => {
    for (const propagation of ['unchanged', 'slave']) {
      await beside(propagation, () => assert.deepEqual(holders(), [], propagation));
    }
  });

  it('is told of a device by its name, before famfs would say something else', () => {
    assert.throws(() => refuseHeldDevice('/dev/dax7.0'), {
      reason: 'pool-held-elsewhere',
      message: new RegExp(`\\(pid \\d+\\) at ${place};`),
    });
    refuseHeldDevice('/dev/dax7.1');
  });
});
