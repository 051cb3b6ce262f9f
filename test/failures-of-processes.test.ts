// What happens to the mounter itself: it is told to stop in the middle of its work, or the clock of its machine jumps.
// docs/failures.md, "The driver's own processes".
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, describe, it } from 'node:test';
import { acquireFileLock } from '../src/linux/file-lock.ts';
import { poolPhase } from '../src/mounter/client.ts';
import { BoundNode } from './bound-node.ts';
import { sourceProgram } from './driver-process.ts';
import { assertNothingLeaked, enterPrivateMounts } from './private-mounts.ts';
import { waitUntil } from './wait-until.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

describe('a mounter', { skip }, () => {
  let bound: BoundNode;
  afterEach(() => bound.close());

  it('finishes every call that is under way at SIGTERM, and the next one finds all as it was', async () => {
    bound = await BoundNode.start();
    const { mounter, node, poolUuid } = bound;
    const [target, there] = [bound.newTarget(), bound.newTarget()];
    await bound.bind(there);
    const lock = await acquireFileLock(node.lockFile(poolUuid), { timeoutMs: 30_000 });
    // Each of them asks for what is not in the log, so each waits for a replay, and the replay for the lock.
    const waiting = [
      bound.bind(target, { path: 'late' }),
      mounter.calls.stat({ poolUuid, path: 'late' }),
      mounter.calls.inspectMapping({ poolUuid, path: 'late/file' }),
    ].map((call) =>
      call.then(
        () => 'done',
        (error: { reason: string }) => error.reason,
      ),
    );
    for (const method of ['Stat', 'InspectMapping']) {
      await waitUntil(`${method} waits`, () => new RegExp(`call started.*${method}\\b`).test(mounter.log));
    }
    await waitUntil(
      'the bind waits',
      () => (mounter.log.match(/call started.*\bBind\b/g) ?? []).length === 2,
    );
    const stopped = mounter.stop();
    await waitUntil('it is stopping', () => mounter.log.includes('mounter stopping'));
    lock.release();
    assert.deepEqual(await Promise.all(waiting), ['path-not-found', 'path-not-found', 'path-not-visible']);
    await stopped;
    assert.equal(existsSync(target), false);
    assert.equal(bound.mountsAt(there).length, 1, 'what is bound stays');
    assert.notEqual(bound.cluster.daemonOf(node, poolUuid), undefined, 'and so does the daemon');

    await mounter.restart();
    await mounter.ready(poolUuid);
    assert.equal((await bound.bind(there)).alreadyBound, true);
    assert.deepEqual(await bound.unbind(there), { wasBound: true });
    assert.equal((await bound.bind(target)).alreadyBound, false);
    await bound.unbind(target);
  });

  it('goes on as before when the clock of its machine jumps, forward or back by a day', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'clock-'));
    after(() => rmSync(folder, { recursive: true }));
    const clock = path.join(folder, 'clock');
    const [node = '', ...rest] = sourceProgram;
    const jumping = ['--import', path.join(import.meta.dirname, 'jumping-clock.mjs')];
    bound = await BoundNode.start({
      program: ['/usr/bin/env', `FAMFS_CSI_TEST_CLOCK=${clock}`, node, ...jumping, ...rest],
    });
    const { mounter, node: own, poolUuid } = bound;
    const dayMs = 86_400_000;
    for (const wrongByMs of [dayMs, -dayMs]) {
      // A mount that fails is tried again after a pause, and the pause begins before the clock jumps.
      own.spoil('case "$1 $*" in "mount "*" -D "*) ;; "mount "*) echo failed >> $NOTES; exit 1 ;; esac');
      process.kill(bound.cluster.daemonOf(own, poolUuid) ?? assert.fail('no daemon'), 'SIGKILL');
      await waitUntil('it has failed, tried again and failed', () => own.notes().length >= 2, 240_000);
      await mounter.untilPool(poolUuid, 'cannot be mounted', ({ phase, problem }) => {
        return phase === poolPhase.POOL_PHASE_FOUND && problem !== null;
      });
      writeFileSync(clock, String(wrongByMs));
      own.mend();
      own.clearNotes();
      await mounter.ready(poolUuid);
      await bound.assertServes();
      await own.mkdir(poolUuid, `made${wrongByMs}`);
      const target = bound.newTarget();
      await bound.bind(target, { path: `made${wrongByMs}` }, { timeoutMs: 30_000 });
      await bound.unbind(target);
    }
  });
});
