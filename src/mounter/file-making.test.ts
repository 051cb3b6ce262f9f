// Making and zeroing files on the master of a pool: with the real mounter, the simulator's famfs, and kill -9.
import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { ClusterNode } from '../../test/cluster-node.ts';
import { sourceProgram } from '../../test/driver-process.ts';
import { assertNothingLeaked, enterPrivateMounts } from '../../test/private-mounts.ts';
import type { RunningMounter } from '../../test/running-mounter.ts';
import { SimulatedCluster } from '../../test/simulated-cluster.ts';
import { EffectFolder } from '../../test/stress/effect-folder.ts';
import { waitUntil } from '../../test/wait-until.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

const mib = 1n << 20n;

describe('making files in a pool', { skip }, () => {
  let cluster: SimulatedCluster;
  let master: ClusterNode;
  let atMaster: RunningMounter;
  let atClient: RunningMounter;
  let poolUuid: string;

  before(async () => {
    cluster = new SimulatedCluster();
    await cluster.addMemory();
    master = await cluster.addNode('a');
    const client = await cluster.addNode('b');
    poolUuid = await master.format('dax0.0');
    atMaster = cluster.startMounter(master);
    atClient = cluster.startMounter(client);
    await Promise.all([atMaster.ready(poolUuid), atClient.ready(poolUuid)]);
  });
  after(() => cluster.close());

  const order = (directory: string, sizes: readonly bigint[]) => ({
    ...{ poolUuid, directory, mode: 0o640, uid: 1000, gid: 1000 },
    files: sizes.map((sizeBytes, index) => ({ name: `data-${index}`, sizeBytes })),
  });

  async function make(directory: string, sizes: readonly bigint[], mounter = atMaster) {
    const reports = [];
    for await (const report of mounter.calls.makeFiles(order(directory, sizes), {})) reports.push(report);
    return reports;
  }

  async function zero(directory: string, names: readonly string[]) {
    const reports = [];
    for await (const report of atMaster.calls.zeroFiles({ poolUuid, directory, names }, {}))
      reports.push(report);
    return reports;
  }

  const entriesUsed = async (): Promise<bigint> => {
    const { pools } = await atMaster.calls.getState({});
    return pools[0]?.logEntriesUsed ?? -1n;
  };

  it('makes parents, directory and files, and tells how far a client has to replay', async () => {
    const reports = await make('v/one', [2n * mib, 4n * mib]);
    assert.deepEqual(
      reports.map(({ filesMade }) => filesMade),
      [0, 1, 2, 2],
    );
    assert.equal(reports.at(-1)?.logEntriesUsed, 4n);
    const file = statSync(master.poolPath(poolUuid, 'v/one/data-1'));
    assert.deepEqual([file.size, file.mode & 0o777, file.uid, file.gid], [4 << 20, 0o640, 1000, 1000]);
    await atClient.untilPool(poolUuid, 'has replayed as far', (pool) => pool.logEntriesReplayed === 4n);
    const { allocatedBytes } = await atClient.calls.stat({ poolUuid, path: 'v/one' });
    assert.equal(allocatedBytes, 6n * mib);
  });

  it('changes nothing when it is asked again, and finishes what was begun', async () => {
    const used = await entriesUsed();
    await make('v/one', [2n * mib, 4n * mib]);
    assert.equal(await entriesUsed(), used);
    await make('v/one', [2n * mib, 4n * mib, 2n * mib]);
    assert.equal(await entriesUsed(), used + 1n);
  });

  it('refuses what is there in another way, and what a client, space or log cannot give', async () => {
    const used = await entriesUsed();
    await assert.rejects(make('v/one', [8n * mib]), { reason: 'exists-differently' });
    await assert.rejects(make('v/two', [2n * mib], atClient), { reason: 'not-master' });
    await assert.rejects(make('v/two', [7n << 30n, 7n << 30n]), { reason: 'out-of-space' });
    await assert.rejects(make('v/two', [64n << 30n]), { reason: 'out-of-space' });
    await assert.rejects(make(`v/${'x'.repeat(72)}`, [2n * mib]), { reason: 'path-too-long' });
    await assert.rejects(make('../v', [2n * mib]), { reason: 'invalid-argument' });
    await assert.rejects(make('.meta/v', [2n * mib]), { reason: 'invalid-argument' });
    assert.equal(await entriesUsed(), used, 'nothing was begun');
  });

  it('gives orders at once slots that share no memory', async () => {
    const names = Array.from({ length: 6 }, (_, index) => `v/many-${index}`);
    await Promise.all(names.map((name) => make(name, [2n * mib])));
    const report = await master.do('famfs', 'fsck', master.modeFlag, master.poolPath(poolUuid));
    assert.match(report, /No allocation errors found/);
    assert.match(report, /\b0 bad log entries detected/);
  });

  it('finishes after kill -9 amid the work, without a file made twice', async () => {
    const sizes = Array.from({ length: 6 }, () => 2n * mib);
    const used = await entriesUsed();
    const first = atMaster.calls.makeFiles(order('v/killed', sizes), {});
    await assert.rejects(async () => {
      for await (const { filesMade } of first) if (filesMade === 3) await atMaster.kill();
    });
    await atMaster.restart();
    await atMaster.ready(poolUuid);
    const reports = await make('v/killed', sizes);
    assert.ok((reports[0]?.filesMade ?? 0) >= 3, 'what is there already is told first');
    assert.equal(reports.at(-1)?.filesMade, 6);
    await waitUntil('the log is read to its end', async () => (await entriesUsed()) === used + 7n);
  });

  it('zeroes files from end to end, and reports how far it is', async () => {
    await make('v/dirty', [64n * mib, 2n * mib]);
    const path = master.poolPath(poolUuid, 'v/dirty/data-0');
    const fd = openSync(path, 'r+');
    writeSync(fd, Buffer.alloc(8 << 20, 0xab), 0, 8 << 20, 50 << 20);
    closeSync(fd);
    const reports = await zero('v/dirty', ['data-0', 'data-1']);
    assert.deepEqual(reports.at(-1), { bytesDone: 66n * mib, bytesTotal: 66n * mib });
    assert.ok(readFileSync(path).equals(Buffer.alloc(64 << 20)));
    await assert.rejects(zero('v/dirty', ['missing']), { reason: 'path-not-found' });
  });
});

describe('a famfs command that is killed between a name and its log entry', { skip }, () => {
  let cluster: SimulatedCluster;
  let node: ClusterNode;
  let mounter: RunningMounter;
  let poolUuid: string;
  let points: EffectFolder;
  const folder = mkdtempSync(path.join(os.tmpdir(), 'famfs-effects-'));

  before(async () => {
    points = new EffectFolder(folder);
    cluster = new SimulatedCluster({ program: [...points.launcher, ...sourceProgram] });
    await cluster.addMemory();
    node = await cluster.addNode('a');
    poolUuid = await node.format('dax0.0');
    mounter = cluster.startMounter(node);
    await mounter.ready(poolUuid);
  });
  after(async () => {
    await cluster?.close();
    rmSync(folder, { recursive: true });
  });

  async function make(directory: string): Promise<void> {
    const files = [{ name: 'data', sizeBytes: 2n * mib }];
    const order = { ...{ poolUuid, directory, files }, mode: 0o640, uid: 1000, gid: 1000 };
    for await (const _ of mounter.calls.makeFiles(order, {}));
  }

  it('leaves a name that is not taken for the file: the pool is mounted anew, and the file made', async () => {
    points.arm('famfs creat: before log file');
    await make('v/one').catch(() => undefined);
    assert.equal(points.killedAt, 'famfs creat: before log file');
    await make('v/one');
    assert.match(mounter.log, /pool mounted anew/);
    const { logEntries } = await mounter.calls.stat({ poolUuid, path: 'v' });
    assert.equal(logEntries, 3n);
  });

  it('is told from a file when the pool is in use, and mended when that ends', async () => {
    const target = node.target('pod');
    await mounter.calls.bind({ poolUuid, path: 'v/one', target, volumeId: 'pod' });
    points.arm('famfs creat: before log file');
    await make('v/two').catch(() => undefined);
    assert.ok(points.killedAt);
    await assert.rejects(make('v/two'), { reason: 'name-taken', message: /v\/two\/data .* volume pod at/ });
    await make('v/three');
    await mounter.calls.unbind({ target });
    await make('v/two');
    const report = await node.do('famfs', 'fsck', node.modeFlag, node.poolPath(poolUuid));
    assert.match(report, /No allocation errors found/);
    assert.match(report, /\b3 files/);
  });
});
