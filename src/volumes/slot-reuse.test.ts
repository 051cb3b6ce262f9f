// Small cases of what sequences over a whole cluster uncovered (test/stress/provisioning.stress.ts).
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ProvisioningCluster, type ToldVolume, unitBytes } from '../../test/provisioning-cluster.ts';
import { newSlot, newVolume } from '../../test/volume-records-contract.ts';
import { waitUntil } from '../../test/wait-until.ts';
import { isReason, reasons } from '../errors.ts';
import { statusNameOf } from '../rpc/status.ts';
import { capacityOf } from './capacity.ts';
import { parseClassParameters } from './class-parameters.ts';
import { isFinal, type VolumeWish } from './provisioner.ts';
import type { SlotRecord } from './volume-record.ts';

let cluster: ProvisioningCluster;
beforeEach(() => {
  cluster = new ProvisioningCluster({
    pools: [{ units: 20, logEntries: 40, deletedVolumes: 'Reuse' }],
    nodeCount: 2,
  });
});
afterEach(() => cluster.close());

const wish = (name: string, parameters: Record<string, string> = {}, units = 4): VolumeWish => ({
  name,
  parameters: parseClassParameters(parameters),
  range: { requiredBytes: BigInt(units) * unitBytes, limitBytes: 0n },
  topology: { requisite: undefined, preferred: [] },
  hasWriter: true,
  claim: undefined,
});
const files = { layout: 'files', fileCount: '2' };

async function create(name: string, parameters: Record<string, string> = {}, units = 4): Promise<ToldVolume> {
  const signal = AbortSignal.timeout(20_000);
  return cluster.told(await cluster.provisioner.create(wish(name, parameters, units), signal));
}

async function remove(volume: ToldVolume): Promise<void> {
  cluster.live.delete(volume.volumeId);
  await cluster.provisioner.delete(volume.volumeId);
}

/** A slot that a volume left, zero again. */
async function leaveSlot(): Promise<SlotRecord> {
  await remove(await create('former'));
  return untilSlot(({ phase }) => phase === 'Reusable');
}

/** Its master has tried again by itself. */
function untilReady(name: string): Promise<void> {
  return waitUntil(`${name} is made`, async () => (await cluster.store.get(name))?.status.phase === 'Ready');
}

async function untilSlot(condition: (slot: SlotRecord) => boolean): Promise<SlotRecord> {
  let found: SlotRecord | undefined;
  await waitUntil('there is such a slot', async () => {
    found = (await cluster.store.slots()).find(condition);
    return found !== undefined;
  });
  return found ?? assert.fail();
}

function capacity(): Promise<bigint> {
  return Promise.all([cluster.list(), cluster.store.list(), cluster.store.slots()]).then(
    ([pools, volumes, slots]) =>
      capacityOf({ parameters: parseClassParameters({}), uuids: undefined, hasWriter: true }, pools, {
        volumes,
        slots,
      }).availableBytes / unitBytes,
  );
}

describe('a slot that is used again', () => {
  it('is recorded until its new volume is ready, and not afterwards', async () => {
    const { slot } = await leaveSlot();
    cluster.failures.set(cluster.pools[0]?.uuid ?? '', {
      verb: 'makeFiles',
      reason: 'pool-busy',
      timesLeft: 1,
    });
    await assert.rejects(create('second'), { reason: 'pool-busy' });
    assert.equal((await cluster.store.slots())[0]?.promisedTo, 'second');
    await untilReady('second');
    assert.equal((await create('second')).slot, slot);
    assert.deepEqual(await cluster.store.slots(), []);
  });

  it('goes back when its new volume is deleted before anything was begun', async () => {
    const { slot } = await leaveSlot();
    cluster.node(0).records.isCut = true;
    await assert.rejects(cluster.provisioner.create(wish('second'), AbortSignal.timeout(1000)), {
      reason: 'operation-pending',
    });
    const record = await cluster.store.get('second');
    assert.equal(record?.spec.slot, slot);
    await cluster.provisioner.delete(record.spec.volumeId);
    const [left] = await cluster.store.slots();
    assert.deepEqual([left?.slot, left?.phase, left?.promisedTo], [slot, 'Reusable', undefined]);
  });

  it('is free again when it was promised to a volume that never came', async () => {
    await leaveSlot();
    cluster.controllerRecords.plan(1, 'death-before');
    await assert.rejects(create('never'), { reason: 'cancelled' });
    assert.equal((await cluster.store.slots())[0]?.promisedTo, 'never');
    cluster.restartController();
    assert.equal(await capacity(), 20n);
    const slot = (await cluster.store.slots())[0]?.slot;
    assert.equal((await create('other')).slot, slot);
    assert.notEqual((await create('never')).slot, slot);
  });

  it('goes to one volume when a process slept between its promise and the record that names it', async () => {
    await leaveSlot();
    const sleeper = cluster.provisioner;
    cluster.letControllerSleep(1);
    const late = sleeper.create(wish('late'), AbortSignal.timeout(2000));
    late.catch(() => undefined);
    await untilSlot(({ promisedTo }) => promisedTo === 'late');
    cluster.restartController();
    const quick = await create('quick');
    cluster.wakeAll();
    await assert.rejects(late, { reason: 'operation-pending' });
    assert.equal((await cluster.store.get('late'))?.spec.slot, quick.slot, 'both records name it');
    assert.notEqual((await create('late')).slot, quick.slot);
    assert.equal(cluster.violation, undefined);
  });

  it('stays with the volume that it was promised to, whose record came while another call was looking', async () => {
    const { slot } = await leaveSlot();
    cluster.node(0).records.isCut = true;
    cluster.letControllerSleep(1);
    const signal = AbortSignal.timeout(20_000);
    const first = cluster.provisioner.create(wish('first'), signal);
    await untilSlot(({ promisedTo }) => promisedTo === 'first');
    const asked = Promise.withResolvers<void>();
    const told = Promise.withResolvers<ReadonlySet<string>>();
    cluster.publishedVolumeIds = () => {
      asked.resolve();
      return told.promise;
    };
    const second = cluster.provisioner.create(wish('second'), signal);
    await asked.promise;
    cluster.wakeAll();
    await waitUntil('the first has its record', async () => (await cluster.store.get('first')) !== undefined);
    await nextTurn();
    told.resolve(new Set());
    await waitUntil(
      'the second has its record',
      async () => (await cluster.store.get('second')) !== undefined,
    );
    cluster.node(0).records.isCut = false;
    cluster.node(0).maker.look();
    assert.equal((await first).spec.slot, slot);
    assert.notEqual((await second).spec.slot, slot);
  });

  it('is not handed out while a node has the volume that left it', async () => {
    const former = await create('former');
    await remove(former);
    const { slot } = await untilSlot(({ phase }) => phase === 'Reusable');
    // A node that nobody could ask is back, and has it.
    cluster.publish(former, 1);
    assert.notEqual((await create('second')).slot, slot);
    cluster.unpublish(former.volumeId, 1);
  });

  it('is neither zeroed nor handed out when a late record of it comes while a volume has it', async () => {
    const volume = await create('holder');
    const bogus = await cluster.store.createSlot(
      newSlot({ slot: volume.slot, poolUuid: volume.poolUuid, node: 'node-0', layout: volume.layout }),
    );
    await create('other');
    assert.equal((await cluster.store.slots())[0]?.phase, 'Scrubbing');
    await cluster.tend();
    assert.deepEqual(await cluster.store.slots(), [], `${bogus.slot} is the volume's`);
    assert.equal(cluster.violation, undefined);
  });

  it('is kept for good when its files were never all made', async () => {
    const uuid = cluster.pools[0]?.uuid ?? assert.fail();
    const record = await cluster.store.create(
      newVolume('partly', { poolUuid: uuid, node: 'nobody', layout: (await create('whole', files)).layout }),
    );
    await cluster.store.update({ ...record, status: { ...record.status, phase: 'Creating', filesMade: 1 } });
    await cluster.provisioner.delete(record.spec.volumeId);
    assert.equal((await cluster.store.slots())[0]?.phase, 'Kept');
  });
});

describe('zeroing that fails', () => {
  const failFor = (timesLeft: number): void =>
    void cluster.failures.set(cluster.pools[0]?.uuid ?? '', {
      verb: 'zeroFiles',
      reason: 'pool-memory-failed',
      timesLeft,
    });

  it('for ever keeps a slot from being used again, and says why', async () => {
    const volume = await create('one');
    failFor(Number.POSITIVE_INFINITY);
    await remove(volume);
    const slot = await untilSlot(({ problem }) => problem?.reason === 'pool-memory-failed');
    assert.equal(slot.phase, 'Scrubbing');
    assert.equal(await capacity(), 16n);
    cluster.failures.clear();
    await untilSlot(({ phase, problem }) => phase === 'Reusable' && problem === undefined);
  });

  it('of a new volume is told to who asks, and deleting it loses nothing', async () => {
    failFor(Number.POSITIVE_INFINITY);
    await assert.rejects(create('one'), { reason: 'pool-memory-failed' });
    const record = await cluster.store.get('one');
    assert.equal(record?.status.phase, 'Zeroing');
    await cluster.provisioner.delete(record.spec.volumeId);
    assert.deepEqual(await cluster.store.list(), []);
    cluster.failures.clear();
    const slot = await untilSlot(({ phase }) => phase === 'Reusable');
    assert.equal(slot.slot, record.spec.slot);
  });
});

describe('a volume that is begun', () => {
  it('follows a master that moved, and so does a slot that waits to be zeroed', async () => {
    const former = await create('former');
    cluster.setReachable(0, false);
    await remove(former);
    await assert.rejects(create('one'), { reason: 'master-away' });
    const pool = cluster.pools[0] ?? assert.fail();
    const record = await cluster.store.create(
      newVolume('moved', {
        poolUuid: pool.uuid,
        node: 'node-0',
        layout: former.layout,
        range: wish('').range,
        poolName: pool.name,
      }),
    );
    pool.master = 'node-1';
    assert.equal((await create('moved')).volumeId, record.spec.volumeId);
    await cluster.tend();
    await untilSlot(({ phase, node }) => phase === 'Reusable' && node === 'node-1');
  });

  it('answers at once that its master is away, in a way that nobody takes for the end', async () => {
    cluster.node(0).records.isCut = true;
    await assert.rejects(cluster.provisioner.create(wish('one'), AbortSignal.timeout(1000)), {
      reason: 'operation-pending',
    });
    cluster.setReachable(0, false);
    await assert.rejects(create('one'), { reason: 'master-away' });
    cluster.setReachable(0, true);
    await create('one');
  });

  it('is not forgotten when its master refuses after files were made', async () => {
    cluster.failures.set(cluster.pools[0]?.uuid ?? '', {
      verb: 'zeroFiles',
      reason: 'log-refused',
      timesLeft: 1,
    });
    await assert.rejects(create('one'), { reason: 'operation-pending', message: /log-refused/ });
    await untilReady('one');
    await create('one');
  });

  it('is never refused by a code that external-provisioner takes for the end', () => {
    const passing = ['CANCELLED', 'DEADLINE_EXCEEDED', 'UNAVAILABLE', 'RESOURCE_EXHAUSTED', 'ABORTED'];
    const told = Object.keys(reasons)
      .filter(isReason)
      .filter((reason) => !isFinal(reason));
    for (const reason of told) assert.ok(passing.includes(statusNameOf(reason)), reason);
    assert.ok(told.includes('operation-pending'), 'as which all others are told');
  });

  it('keeps its files in the records when room ran out amid the work and the maker died untold', async () => {
    const pool = cluster.pools[0] ?? assert.fail();
    cluster.node(0).records.plan(1, 'death-before');
    await assert.rejects(cluster.provisioner.create(wish('one', files, 8), AbortSignal.timeout(1000)), {
      reason: 'operation-pending',
    });
    assert.equal(pool.files.size, 1);
    pool.makeFile('admin', pool.longestFreeRun);
    cluster.restartMaker(0);
    await assert.rejects(create('one', files, 8), { reason: 'out-of-space' });
    assert.equal((await cluster.store.get('one'))?.status.filesMade, 1);
  });

  it('is made by its own pool’s share of work, however many hang in another', async () => {
    await cluster.close();
    const pool = { units: 60, logEntries: 60, deletedVolumes: 'Reuse' as const };
    cluster = new ProvisioningCluster({ pools: [pool, pool], nodeCount: 1 });
    cluster.hanging.add(cluster.pools[0]?.uuid ?? '');
    const hung = Array.from({ length: 12 }, (_, index) =>
      cluster.provisioner.create(wish(`hung-${index}`, { pool: 'pool-0' }, 1), AbortSignal.timeout(2000)),
    );
    await create('sound', { pool: 'pool-1' });
    cluster.hanging.clear();
    await Promise.allSettled(hung);
  });

  it('that was being deleted when its process ended can be created again under its name', async () => {
    const first = await create('one');
    cluster.live.delete(first.volumeId);
    cluster.controllerRecords.plan(1, 'death-before');
    await assert.rejects(cluster.provisioner.delete(first.volumeId), { reason: 'cancelled' });
    cluster.restartController();
    assert.notEqual((await create('one')).volumeId, first.volumeId);
  });
});

it('a slot is handed out only when the record of the volume that left it is gone', async () => {
  const former = await create('former');
  cluster.letControllerSleep(2);
  cluster.live.delete(former.volumeId);
  // The mark and the slot are written, and the removal of the record is on its way.
  const ending = cluster.provisioner.delete(former.volumeId);
  await untilSlot(({ phase }) => phase === 'Reusable');
  const second = await create('second');
  assert.notEqual(second.slot, former.slot);
  await remove(second);
  cluster.wakeAll();
  await ending;
  const left = new Set((await cluster.store.slots()).map(({ slot }) => slot));
  assert.deepEqual(left, new Set([former.slot, second.slot]));
  await untilSlot(({ slot, phase }) => slot === former.slot && phase === 'Reusable');
  assert.ok(left.has((await create('third')).slot));
});

describe('the record of a new volume that is long on its way', () => {
  it('goes again when it arrives after the volume was made by another process, used and ended', async () => {
    cluster.letControllerSleep(0);
    const gone = new AbortController();
    const late = cluster.provisioner.create(wish('late'), gone.signal);
    cluster.restartController();
    await remove(await create('late'));
    gone.abort();
    cluster.wakeAll();
    await assert.rejects(late, { reason: 'operation-pending' });
    assert.deepEqual(await cluster.store.list(), []);
    await untilSlot(({ phase, promisedTo }) => phase === 'Reusable' && promisedTo === undefined);
    await remove(await create('late'));
  });

  it('stays when somebody waits for it still', async () => {
    cluster.letControllerSleep(0);
    const slow = cluster.provisioner.create(wish('slow'), AbortSignal.timeout(20_000));
    // It has gone to sleep by then.
    for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate);
    cluster.wakeAll();
    assert.equal(cluster.told(await slow).name, 'slow');
  });
});
