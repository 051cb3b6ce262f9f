// What goes wrong with the real famfs has to go wrong here: the lock that anybody's close releases, the allocator
// near the end of the device, sizes below zero, death by assertion. And what a node makes of its identity.
import assert from 'node:assert/strict';
import { readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { assertNothingLeaked, enterPrivateMounts } from '../../test/private-mounts.ts';
import { commandContext } from './command-context.ts';
import { LockedLog } from './locked-log.ts';
import { makePoolFile } from './make-pool-file.ts';
import { SimulatedPair } from './simulated-pair.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

async function withPair(mode: 'fuse' | 'v1', work: (pair: SimulatedPair) => Promise<void>): Promise<void> {
  const pair = new SimulatedPair(mode);
  try {
    await pair.format();
    await pair.mount('master');
    await work(pair);
  } finally {
    await pair.dispose();
  }
}

interface Session {
  readonly readLog: () => void;
  readonly make: (name: string) => string;
  readonly close: () => void;
}

async function openSession(pair: SimulatedPair): Promise<Session> {
  const complaints: string[] = [];
  const context = commandContext({
    nodeRoot: pair.nodes.master.root,
    print: () => undefined,
    complain: (line) => complaints.push(line),
  });
  const session = await LockedLog.open(context, pair.real('master', '/mnt/famfs/x'));
  if (session === undefined) throw new Error(complaints.join('\n'));
  const file = { sizeBytes: 4096n, mode: 0o644, uid: 0, gid: 0, geometry: undefined };
  return {
    readLog: () => {
      session.allocator();
    },
    make: (name) =>
      makePoolFile(context, session, { ...file, file: pair.real('master', `/mnt/famfs/${name}`) }),
    close: () => session.close(),
  };
}

test('in fuse mode a reader releases the writer lock, and two writers log the same memory', {
  skip,
}, async () => {
  await withPair('fuse', async (pair) => {
    const first = await openSession(pair);
    await assert.rejects(openSession(pair), /failed to get lock/);
    first.close();
    const one = await openSession(pair);
    await pair.do('master', 'famfs', 'fsck', '/mnt/famfs');
    const two = await openSession(pair);
    one.readLog();
    two.readLog();
    assert.equal(one.make('one'), 'made');
    assert.equal(two.make('two'), 'made');
    one.close();
    two.close();
    const fsck = await pair.call('master', ['famfs', 'fsck', '/mnt/famfs']);
    assert.equal(fsck.exit, 1);
    assert.match(fsck.stdout, /ERROR: 1 ALLOCATION COLLISIONS FOUND/);
    assert.doesNotMatch(fsck.stdout, /Capacity:/);
  });
});

test('in standalone mode a second writer waits for the first, readers or not', { skip }, async () => {
  await withPair('v1', async (pair) => {
    const first = await openSession(pair);
    await pair.do('master', 'famfs', 'fsck', '/mnt/famfs');
    const waiting = pair.call('master', ['famfs', 'creat', '-s', '4096', '/mnt/famfs/two']);
    assert.equal(first.make('one'), 'made');
    first.close();
    assert.equal((await waiting).exit, 0);
    const fsck = await pair.call('master', ['famfs', 'fsck', '/mnt/famfs']);
    assert.match(fsck.stdout, /entries in use: 2 of[\s\S]*No allocation errors found/);
  });
});

test('several sources in one cp can be logged past the end of the device', { skip }, async () => {
  await withPair('fuse', async (pair) => {
    const unit = 2_097_152;
    const filler = 5_366_611_968 - 5 * unit - 11 * unit;
    await pair.do('master', 'famfs', 'creat', '-s', `${filler}`, '/mnt/famfs/filler');
    for (const [name, units] of [
      ['s1', 1],
      ['s2', 12],
    ] as const) {
      const source = pair.real('master', `/tmp/w/${name}`);
      writeFileSync(source, '');
      truncateSync(source, units * unit);
    }
    await pair.do('master', 'famfs', 'cp', '/tmp/w/s1', '/tmp/w/s2', '/mnt/famfs');
    const fsck = await pair.call('master', ['famfs', 'fsck', '/mnt/famfs']);
    assert.match(fsck.stdout, /No allocation errors found[\s\S]*Free space: +-4194304/);
  });
});

test('a size below zero fails and is logged all the same; a long name ends in SIGABRT', {
  skip,
}, async () => {
  await withPair('fuse', async (pair) => {
    const negative = await pair.call('master', ['famfs', 'creat', '-s', '-4096', '/mnt/famfs/negative']);
    assert.equal(negative.exit, 1);
    const replay = await pair.call('master', ['famfs', 'logplay', '/mnt/famfs']);
    assert.deepEqual([replay.exit, /1 log entries/.test(replay.stdout)], [0, true]);
    const long = ['famfs', 'creat', '-s', '4096', `/mnt/famfs/${'n'.repeat(79)}`];
    const died = await pair.call('master', long, { asProcess: true });
    assert.equal(died.exit, 134);
  });
});

test('a node without an identity makes one at its first command, and a lost one makes the master a client', {
  skip,
}, async () => {
  await withPair('fuse', async (pair) => {
    const file = pair.nodes.master.systemUuidPath;
    rmSync(file);
    const refused = await pair.call('master', ['famfs', 'mkdir', '/mnt/famfs/v']);
    assert.match(refused.stderr, /not running on FAMFS_MASTER/);
    assert.match(readFileSync(file, 'latin1'), /^[0-9a-f-]{36}\0$/);
    assert.equal(statSync(file).mode & 0o777, 0o444);
  });
});
