// Files of one slot never share memory with another's: fifty make slots through the mounter of a pool's master beside fifty
// who read its figures and its log, calls are cut off, famfs commands and the mounter are killed among them, and an
// independent look at the log afterwards finds every slot whole, each file once and in a place of its own.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { logEntryBytes, parseLogEntry } from '../../src/famfs/log-entry.ts';
import { logEntryOffset, parseLogHeader } from '../../src/famfs/log-header.ts';
import { acquireFileLock } from '../../src/linux/file-lock.ts';
import { processState } from '../../src/linux/processes.ts';
import type { ClusterNode } from '../cluster-node.ts';
import { assertNothingLeaked, enterPrivateMounts } from '../private-mounts.ts';
import type { RunningMounter } from '../running-mounter.ts';
import { SimulatedCluster } from '../simulated-cluster.ts';
import { waitUntil } from '../wait-until.ts';
import { keepAccount } from './command-account.ts';
import { Dice } from './dice.ts';
import { effort, seed } from './effort.ts';
import { readLogEvidence } from './log-evidence.ts';
import { MakingCrowd, type WantedSlot } from './making-crowd.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

const [makers, readers] = [50, 50];
const rounds = effort(1);
const mounterKillsInRound = 3;
const unitBytes = 2n << 20n;
const patienceMs = 120_000;

describe('slots that are made at once, whatever dies meanwhile', { skip }, () => {
  let cluster: SimulatedCluster;
  let node: ClusterNode;
  let atMaster: RunningMounter;
  let atClient: RunningMounter;
  let poolUuid: string;

  before(async () => {
    cluster = new SimulatedCluster();
    await cluster.addMemory('memory', '64GiB');
    node = await cluster.addNode('a');
    const client = await cluster.addNode('b');
    poolUuid = await node.format('dax0.0');
    [atMaster, atClient] = [cluster.startMounter(node), cluster.startMounter(client)];
    await Promise.all([atMaster.ready(poolUuid), atClient.ready(poolUuid)]);
    keepAccount(node);
  });
  after(() => cluster.close());

  /** Sizes differ, so that every slot is another's bad neighbour. */
  function slotsOf(round: number): WantedSlot[] {
    return Array.from({ length: makers }, (_, index) => ({
      directory: `v/slot-${round}-${index}`,
      files: Array.from({ length: 1 + (index % 2) }, (_file, number) => ({
        name: `data-${number}`,
        sizeBytes: unitBytes * BigInt(1 + ((index + number) % 5)),
      })),
    }));
  }

  /** What the log has below v/, as `path size`, read by nothing but the format. */
  function logged(): string[] {
    const log = readFileSync(path.join(cluster.memory(), 'log'));
    return Array.from({ length: Number(parseLogHeader(log).nextIndex) }, (_, index) => {
      const offset = logEntryOffset(index);
      const entry = parseLogEntry(log.subarray(offset, offset + logEntryBytes), index);
      return entry.kind === 'file' ? `${entry.path} ${entry.sizeBytes}` : entry.path;
    });
  }

  const expected = (slots: readonly WantedSlot[]): string[] => [
    'v',
    ...slots.flatMap(({ directory, files }) => [
      directory,
      ...files.map(({ name, sizeBytes }) => `${directory}/${name} ${sizeBytes}`),
    ]),
  ];

  it('lie each in a place of their own, whole, and once', async (t) => {
    const crowd = new MakingCrowd({ poolUuid, master: atMaster, client: atClient, memory: cluster.memory() });
    const dice = new Dice(seed);
    const slots: WantedSlot[] = [];
    for (let round = 1; round <= rounds; round++) {
      const wanted = slotsOf(round);
      slots.push(...wanted);
      await crowd.work(wanted, readers, dice, round * mounterKillsInRound);
    }
    await waitUntil(
      'the last commands have ended',
      () =>
        crowd.account().every(({ status, pid }) => status !== undefined || processState(pid) === undefined),
      patienceMs,
    );
    const lock = await acquireFileLock(node.lockFile(poolUuid), { timeoutMs: patienceMs });
    try {
      const { collisions, refusal } = await readLogEvidence(cluster.memory());
      assert.deepEqual([collisions, refusal], [[], undefined]);
      assert.deepEqual(logged().sort(), expected(slots).sort());
      const { stdout } = await node.run('famfs', 'fsck', node.poolPath(poolUuid));
      assert.match(stdout, /No allocation errors found/);
      assert.match(stdout, /\b0 bad log entries detected/);
    } finally {
      lock.release();
    }
    const account = crowd.account();
    const beside = account.filter((command) => command.beside.length > 0);
    assert.deepEqual(beside, [], 'one famfs command at a time');
    await atClient.untilPool(poolUuid, 'has replayed everything', (pool) => {
      return pool.problem == null && pool.logEntriesReplayed === BigInt(expected(slots).length);
    });
    t.diagnostic(
      `seed ${seed}: ${slots.length} slots by ${makers} makers beside ${readers} readers (${crowd.reads} reads), ` +
        `${account.length} commands; ${crowd.cutOff} calls cut off, ${crowd.killedCommands.size} commands and ` +
        `${crowd.killedMounters} mounters killed, ${crowd.killedOverCommand} of them over a command that went on`,
    );
    assert.ok(crowd.killedMounters >= 1 && crowd.cutOff >= 1, 'too little was killed to show anything');
  });
});
