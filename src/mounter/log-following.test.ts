// How a mounter follows a pool's log: its lock, its replays, and what it does not believe. Rules 1 and 2 of the mounter.
import assert from 'node:assert/strict';
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { ClusterNode } from '../../test/cluster-node.ts';
import { assertNothingLeaked, enterPrivateMounts } from '../../test/private-mounts.ts';
import type { RunningMounter } from '../../test/running-mounter.ts';
import { makeSamples, sampleText } from '../../test/sample-data.ts';
import { SimulatedCluster } from '../../test/simulated-cluster.ts';
import { waitUntil } from '../../test/wait-until.ts';
import { logEntryOffset, parseLogHeader } from '../famfs/log-header.ts';
import { acquireFileLock } from '../linux/file-lock.ts';
import { poolPhase } from './client.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

describe('following the log of a pool', { skip }, () => {
  let cluster: SimulatedCluster;
  let master: ClusterNode;
  let client: ClusterNode;
  /** Watches all the time. */
  let watcher: RunningMounter;
  /** Looks only when asked, on a client in standalone mode. */
  let asked: RunningMounter;
  let poolUuid: string;
  let samples: string;
  let pods = 0;

  before(async () => {
    cluster = new SimulatedCluster();
    await cluster.addMemory();
    [master, client] = await Promise.all([
      cluster.addNode('a'),
      cluster.addNode('b', { mode: 'standalone' }),
    ]);
    poolUuid = await master.format('dax0.0');
    watcher = cluster.startMounter(master);
    asked = cluster.startMounter(client, { 'health-interval': '1h' });
    samples = makeSamples(path.join(cluster.directory, 'samples'), { first: ['data'], second: ['data'] });
    await Promise.all([watcher.ready(poolUuid), asked.ready(poolUuid)]);
  });
  after(() => cluster.close());

  const bind = (mounter: RunningMounter, relative: string) =>
    mounter.calls.bind({
      poolUuid,
      path: relative,
      target: mounter.node.target(`pod${pods++}`),
      volumeId: `volume-${pods}`,
    });
  const entriesReplayed = (mounter: RunningMounter) => mounter.pool(poolUuid)?.logEntriesReplayed ?? -1n;

  it('knows who is master and who is client', () => {
    assert.equal(watcher.pool(poolUuid)?.role, 1);
    assert.equal(asked.pool(poolUuid)?.role, 2);
    assert.deepEqual([watcher.pool(poolUuid)?.mode, asked.pool(poolUuid)?.mode], [2, 1]);
  });

  it('replays what was made elsewhere without being asked', async () => {
    const before = entriesReplayed(watcher);
    await master.cp(path.join(samples, 'first'), poolUuid, 'first');
    const pool = await watcher.untilPool(poolUuid, 'has replayed two entries more', (each) => {
      return each.logEntriesReplayed === before + 2n;
    });
    assert.equal(pool.logEntriesUsed, before + 2n);
    assert.equal(
      pool.sizeBytes - pool.freeBytes,
      0xa00000n + 0x200000n,
      'superblock, log and one allocation',
    );
  });

  it('replays when a path is asked for that is not there yet', async () => {
    await assert.rejects(bind(asked, 'second'), { reason: 'path-not-found' });
    await master.cp(path.join(samples, 'second'), poolUuid, 'second');
    const target = client.target('late');
    await asked.calls.bind({ poolUuid, path: 'second', target, volumeId: 'late' });
    assert.equal(readFileSync(path.join(target, 'data'), 'utf8'), sampleText('second/data'));
  });

  it('shows a pod what was added to a directory that this client knew already', async () => {
    await master.mkdir(poolUuid, 'growing');
    await bind(asked, 'growing');
    await master.creat(poolUuid, 'growing/added', 4096);
    const target = client.target('after-growing');
    await asked.calls.bind({ poolUuid, path: 'growing', target, volumeId: 'growing' });
    assert.deepEqual(readdirSync(target), ['added']);
  });

  it('does not take a name that somebody has squatted for the file of the log', async () => {
    mkdirSync(client.poolPath(poolUuid, 'squatted'));
    writeFileSync(client.poolPath(poolUuid, 'squatted/data'), '');
    await master.mkdir(poolUuid, 'squatted');
    await master.creat(poolUuid, 'squatted/data', 4096);
    await assert.rejects(bind(asked, 'squatted'), {
      reason: 'path-not-visible',
      message: /squatted\/data/,
    });
    const { problems } = await asked.calls.checkHealth({ poolUuid, path: 'squatted' });
    assert.deepEqual(
      problems.map(({ reason }) => reason),
      ['path-not-visible'],
    );
  });

  it('runs one famfs command at a time, whoever asks for it', async () => {
    master.spoil(
      '[ "$1" = logplay ] && { echo begin >> $NOTES; "$REAL" "$@"; s=$?; echo end >> $NOTES; exit $s; }',
    );
    try {
      const begun = (): number => master.notes().filter((note) => note === 'begin').length;
      const ends: Promise<unknown>[] = [];
      // Each comes while the replay for the one before runs, and so gets a replay of its own.
      for (let index = 0; index < 4; index++) {
        ends.push(assert.rejects(bind(watcher, `missing-${index}`), { reason: 'path-not-found' }));
        await waitUntil(`replay ${index} has begun`, () => begun() > index);
      }
      await Promise.all([...ends, master.mkdir(poolUuid, 'meanwhile')]);
      await waitUntil('no command is under way', () => master.notes().length % 2 === 0);
      const notes = master.notes();
      assert.ok(notes.length >= 8, 'there were replays enough to overlap');
      assert.deepEqual(
        notes,
        notes.map((_, index) => (index % 2 === 0 ? 'begin' : 'end')),
      );
    } finally {
      master.mend();
      master.clearNotes();
    }
  });

  it('reads nothing of the log while somebody else has the lock, and serves what it knows', async () => {
    const lock = await acquireFileLock(master.lockFile(poolUuid));
    const before = entriesReplayed(watcher);
    try {
      await master.do('famfs', 'mkdir', master.poolPath(poolUuid, 'unseen'));
      const healthyAt = async () => (await watcher.calls.getState({})).pools[0]?.healthyAtMs ?? 0n;
      const since = await healthyAt();
      await waitUntil(
        'it has looked at the pool three times',
        async () => (await healthyAt()) > since + 600n,
      );
      assert.equal((await watcher.calls.getState({})).pools[0]?.logEntriesReplayed, before);
      assert.equal((await bind(watcher, 'first')).alreadyBound, false);
      const waiting = bind(watcher, 'unseen');
      lock.release();
      assert.equal((await waiting).alreadyBound, false);
    } finally {
      lock.release();
    }
  });

  it('refuses a damaged log entry by number, and goes on with the volumes before it', async () => {
    const lock = await acquireFileLock(master.lockFile(poolUuid));
    let damaged: number;
    try {
      damaged = entriesInLog();
      await master.do('famfs', 'mkdir', master.poolPath(poolUuid, 'later'));
      flipLogByte(logEntryOffset(damaged) + 100);
    } finally {
      lock.release();
    }
    const pool = await watcher.untilProblem(poolUuid, 'log-refused');
    assert.match(pool.problem?.message ?? '', new RegExp(`\\b${damaged}\\b`));
    assert.equal(pool.phase, poolPhase.POOL_PHASE_READY);
    assert.equal((await bind(watcher, 'first')).alreadyBound, false);
    await assert.rejects(bind(watcher, 'later'), { reason: 'log-refused' });
    await assert.rejects(bind(asked, 'later'), { reason: 'log-refused' });
    const { problems } = await watcher.calls.checkHealth({ poolUuid, path: 'first' });
    assert.deepEqual(
      problems.map(({ reason }) => reason),
      ['log-refused'],
    );

    await watcher.kill();
    await watcher.restart();
    await watcher.untilProblem(poolUuid, 'log-refused');
    assert.equal((await bind(watcher, 'second')).alreadyBound, false, 'also after a restart');

    const third = await cluster.addNode('c');
    const newcomer = cluster.startMounter(third);
    await newcomer.until('the device is refused', (state) =>
      state.devices.some((device) => device.problem?.reason === 'log-refused'),
    );
    assert.deepEqual(readdirSync(third.places.pools), [], 'nothing is mounted of a log that is not trusted');

    flipLogByte(logEntryOffset(damaged) + 100);
    await watcher.ready(poolUuid);
    assert.equal((await bind(watcher, 'later')).alreadyBound, false);
    await newcomer.ready(poolUuid);
  });

  /** What the memory says, which the mounters may not have read yet. */
  function entriesInLog(): number {
    return Number(parseLogHeader(readFileSync(path.join(cluster.memory(), 'log'))).nextIndex);
  }

  /** Flips a bit in the memory, as a failing or hostile host would. */
  function flipLogByte(offset: number): void {
    const fd = openSync(path.join(cluster.memory(), 'log'), 'r+');
    const byte = Buffer.alloc(1);
    readSync(fd, byte, 0, 1, offset);
    byte.writeUInt8(byte.readUInt8() ^ 0x10);
    writeSync(fd, byte, 0, 1, offset);
    closeSync(fd);
  }
});
