// The pool's lock holds when whoever ran a famfs command is killed and the command lives on (design 6, rule 1): creators
// and readers by the dozen wait for it, processes among them are killed again and again, and an independent look at the
// log afterwards finds no two files in one place and nothing lost. Without the lock famfs does both.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { acquireFileLock } from '../../src/linux/file-lock.ts';
import type { ClusterNode } from '../cluster-node.ts';
import { assertNothingLeaked, enterPrivateMounts } from '../private-mounts.ts';
import type { RunningMounter } from '../running-mounter.ts';
import { SimulatedCluster } from '../simulated-cluster.ts';
import { keepAccount } from './command-account.ts';
import { Dice } from './dice.ts';
import { effort, seed } from './effort.ts';
import type { LockKeeping } from './famfs-waiters-main.ts';
import { type LogEvidence, readLogEvidence } from './log-evidence.ts';
import { WaitingCrowd } from './waiting-crowd.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

describe('the lock of a pool', { skip }, () => {
  let cluster: SimulatedCluster;
  let node: ClusterNode;
  let mounter: RunningMounter;
  let poolUuid: string;
  let crowd: WaitingCrowd | undefined;

  before(async () => {
    cluster = new SimulatedCluster();
    await cluster.addMemory();
    node = await cluster.addNode('a');
    poolUuid = await node.format('dax0.0');
    mounter = cluster.startMounter(node);
    await mounter.ready(poolUuid);
    keepAccount(node);
  });
  after(() => cluster.close());
  afterEach(() => crowd?.disperse());

  async function gather(keeping: LockKeeping, processes: number, prefix = ''): Promise<WaitingCrowd> {
    crowd = await WaitingCrowd.gather({ node, poolUuid, keeping, processes, prefix });
    return crowd;
  }

  /** The log with nobody at it, and what `famfs fsck` says of it. */
  async function evidence(): Promise<LogEvidence & { fsck: string }> {
    const lock = await acquireFileLock(node.lockFile(poolUuid), { timeoutMs: 60_000 });
    try {
      const { stdout } = await node.run('famfs', 'fsck', node.poolPath(poolUuid));
      return { ...(await readLogEvidence(cluster.memory())), fsck: stdout };
    } finally {
      lock.release();
    }
  }

  /** Names (that begin so) which a command said it made and which the log does not have. */
  function lost(from: WaitingCrowd, { paths }: LogEvidence, prefix = ''): string[] {
    const poolPath = path.normalize(node.poolPath(poolUuid));
    return from.account().flatMap(({ verb, subject, status }) => {
      const name = path.relative(poolPath, subject);
      const isMade = (verb === 'creat' || verb === 'mkdir') && status === 0 && name.startsWith(prefix);
      return isMade && !paths.includes(name) ? [name] : [];
    });
  }

  /** The mounter replays as well, for as long as the crowd has not got all. */
  async function askMounter(whileTrue: () => boolean): Promise<void> {
    while (whileTrue()) {
      const order = { poolUuid, path: 'nothing', target: node.target('nobody'), volumeId: 'nothing' };
      await mounter.calls.bind(order, { timeoutMs: 30_000 }).catch(() => undefined);
    }
  }

  it('keeps files apart while processes are killed over their commands', async (t) => {
    const people = await gather('process and command', Math.max(10, effort(10)));
    let isOver = false;
    const asking = askMounter(() => !isOver);
    await people.killAmong(new Dice(seed), mounter);
    isOver = true;
    await asking;
    const found = await evidence();
    const account = people.account();
    assert.deepEqual(
      account.filter(({ beside }) => beside.length > 0),
      [],
      'one famfs command at a time',
    );
    assert.deepEqual([found.collisions, found.refusal], [[], undefined]);
    assert.match(found.fsck, /No allocation errors found/);
    assert.deepEqual(lost(people, found), []);
    assert.equal(new Set(found.paths).size, found.paths.length, 'nothing is logged twice');
    const failed = people.ended.filter(({ kind }) => kind === 'failed');
    assert.ok(failed.length <= people.killedCommands.size, JSON.stringify(failed));
    assert.ok(people.killedOverCommand >= 3, `only ${people.killedOverCommand} were killed over a command`);
    await mounter.untilPool(poolUuid, 'has replayed everything', (pool) => {
      return pool.problem == null && pool.logEntriesReplayed === BigInt(found.paths.length);
    });
    t.diagnostic(
      `seed ${seed}: ${account.length} commands, ${found.paths.length} log entries; killed over a running command: ` +
        `${people.killedOverCommand} processes, ${people.killedMounters} mounters; ${people.killedCommands.size} commands killed`,
    );
  });

  it('is what keeps them apart: one that dies with its process lets two commands in', async () => {
    const people = await gather('process alone', 5, 'alone-');
    const isBroken = (): boolean => people.account().some(({ beside }) => beside.length > 0);
    await people.killUntil(isBroken);
    assert.ok(
      isBroken(),
      `${people.killedOverCommand} processes were killed, and no command ran beside another`,
    );
  });

  it('is what keeps them apart: without it famfs gives one place to two files, or loses one', async (t) => {
    const before = await evidence();
    for (let round = 1; round <= 10; round++) {
      const people = await gather('nobody', 3, `round-${round}-`);
      await people.finished();
      const found = await evidence();
      const missing = lost(people, found, 'round-');
      const collisions = found.collisions.length - before.collisions.length;
      t.diagnostic(`round ${round}: ${collisions} collisions, ${missing.length} lost`);
      if (collisions + missing.length > 0) return;
    }
    assert.fail('nothing went wrong without a lock, so the first test shows nothing');
  });
});
