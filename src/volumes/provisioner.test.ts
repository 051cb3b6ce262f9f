import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { FaultyRecords } from '../../test/faulty-records.ts';
import { ProvisioningWorld, poolA, poolB, unit } from '../../test/provisioning-world.ts';
import { waitUntil } from '../../test/wait-until.ts';
import { DriverError } from '../errors.ts';
import { BoundSlots } from './bound-slots.ts';
import { parseClassParameters } from './class-parameters.ts';
import { Provisioner, type VolumeWish } from './provisioner.ts';
import { sizeOf } from './slot-layout.ts';
import { slotPath, type VolumeRecord } from './volume-record.ts';

let world: ProvisioningWorld;
beforeEach(() => {
  world = new ProvisioningWorld();
});
afterEach(() => world.close());

function wish(
  name: string,
  changes: Partial<VolumeWish> & { parameters?: VolumeWish['parameters'] } = {},
): VolumeWish {
  return {
    name,
    parameters: parseClassParameters({}),
    range: { requiredBytes: 3n * unit, limitBytes: 0n },
    topology: { requisite: undefined, preferred: [] },
    hasWriter: true,
    claim: undefined,
    ...changes,
  };
}

const create = (name: string, changes: Partial<VolumeWish> = {}): Promise<VolumeRecord> =>
  world.provisioner.create(wish(name, changes), AbortSignal.timeout(20_000));

describe('creating a volume', () => {
  it('makes and zeroes its files before it is handed out', async () => {
    const { spec, status } = await create('one');
    assert.equal(status.phase, 'Ready');
    assert.equal(sizeOf(spec.layout), 3n * unit);
    assert.equal(world.slots.get(`${poolA}/${slotPath(spec.slot)}`)?.isZero, true);
  });

  it('holds its pool before it is handed out, and hands out none whose pool it cannot hold', async () => {
    const held: string[] = [];
    let canHold = false;
    const holdPool = async (uuid: string): Promise<void> => {
      if (!canHold) throw new DriverError('api-unavailable', 'the API server is away');
      held.push(uuid);
    };
    world.provisioner = new Provisioner({ records: world.records, pools: world, holdPool });
    await assert.rejects(create('one'), { reason: 'api-unavailable' });
    const [made] = await world.records.list();
    canHold = true;
    assert.equal((await create('one')).spec.volumeId, made?.spec.volumeId);
    assert.deepEqual(held, [poolA]);
  });

  it('gives the same volume to who asks again, and refuses another under its name', async () => {
    const first = await create('one');
    assert.equal((await create('one')).spec.volumeId, first.spec.volumeId);
    const roomy = { requiredBytes: 2n * unit, limitBytes: 4n * unit };
    assert.equal((await create('one', { range: roomy })).spec.volumeId, first.spec.volumeId);
    const other: Partial<VolumeWish>[] = [
      { range: { requiredBytes: 4n * unit, limitBytes: 0n } },
      { range: { requiredBytes: unit, limitBytes: 2n * unit } },
      { parameters: parseClassParameters({ fileMode: '600' }) },
      { parameters: parseClassParameters({ pool: 'b' }) },
      { topology: { requisite: new Set([poolB]), preferred: [] } },
    ];
    for (const changes of other) await assert.rejects(create('one', changes), { reason: 'volume-exists' });
    assert.equal(world.slots.size, 1);
  });

  it('makes one volume of twenty calls at once', async () => {
    const ids = (await Promise.all(Array.from({ length: 20 }, () => create('one')))).map(
      ({ spec }) => spec.volumeId,
    );
    assert.equal(new Set(ids).size, 1);
    assert.equal(world.slots.size, 1);
  });

  it('says how far it is when the time is over, and goes on with it', async () => {
    world.failures.set('zeroFiles', 'pool-busy');
    await assert.rejects(create('one'), { reason: 'pool-busy' });
    world.failures.clear();
    await waitUntil('it is ready', async () => (await world.records.get('one'))?.status.phase === 'Ready');
    await create('one');
    assert.equal(world.slots.size, 1);
  });

  it('leaves nothing behind when there is no room, no entry, no master, no leave, no pool', async () => {
    const refused = async (reason: string, changes: Partial<VolumeWish> = {}): Promise<void> => {
      await assert.rejects(create('one', changes), { reason });
      assert.deepEqual([await world.records.list(), world.slots.size], [[], 0]);
    };
    const change = (changes: object): void => {
      const pool = world.pools.get(poolA);
      assert.ok(pool);
      world.pools.set(poolA, { ...pool, ...changes });
    };
    await refused('out-of-space', { range: { requiredBytes: 600n * unit, limitBytes: 0n } });
    await refused('size-out-of-range', { range: { requiredBytes: 1n, limitBytes: unit - 1n } });
    await refused('pool-not-found', { parameters: parseClassParameters({ pool: 'elsewhere' }) });
    await refused('out-of-space', { topology: { requisite: new Set([poolB]), preferred: [] } });
    change({ logEntriesFree: 2 });
    await refused('log-full');
    change({ logEntriesFree: 100, master: undefined });
    await refused('master-away');
    change({ master: 'node-1', writes: 'Forbidden' });
    await refused('writes-refused');
    change({ writes: 'Allowed', problem: { reason: 'log-refused', message: 'entry 7' } });
    await refused('log-refused');
    change({ problem: undefined });
    world.failures.set('makeFiles', 'out-of-space');
    await refused('out-of-space');
  });

  it('goes where topology prefers, else where most is free, and stays there', async () => {
    world.addPool('b', poolB, 1000n);
    assert.equal((await create('most-free')).spec.poolUuid, poolB);
    const preferred = { requisite: new Set([poolA, poolB]), preferred: [poolA, poolB] };
    assert.equal((await create('preferred', { topology: preferred })).spec.poolUuid, poolA);
    assert.equal((await create('most-free')).spec.poolUuid, poolB);
  });

  it('counts what is recorded but not made yet as taken', async () => {
    world.failures.set('makeFiles', 'pool-busy');
    const range = { requiredBytes: 300n * unit, limitBytes: 0n };
    await assert.rejects(create('first', { range }), { reason: 'pool-busy' });
    await assert.rejects(create('second', { range }), { reason: 'out-of-space' });
  });

  it('goes on after the process was replaced', async () => {
    world.failures.set('makeFiles', 'pool-busy');
    await assert.rejects(create('one'), { reason: 'pool-busy' });
    const before = await world.records.get('one');
    await world.restart();
    world.failures.clear();
    assert.equal((await create('one')).spec.volumeId, before?.spec.volumeId);
  });
});

describe('deleting a volume', () => {
  it('is done when the volume is not known', () => world.provisioner.delete('never-was'));

  it('is refused while a node has it published', async () => {
    const { spec } = await create('one');
    world.published.add(spec.volumeId);
    await assert.rejects(world.provisioner.delete(spec.volumeId), { reason: 'volume-in-use' });
    world.published.clear();
    await world.provisioner.delete(spec.volumeId);
    assert.deepEqual(await world.records.list(), []);
    await world.provisioner.delete(spec.volumeId);
  });

  it('waits for what a node has not reported yet, as long as reports may take', async () => {
    const { spec } = await create('one');
    let looks = 0;
    const pools = {
      list: () => world.list(),
      boundSlots: async () => new BoundSlots(),
      publishedVolumeIds: async () => new Set(++looks < 3 ? [spec.volumeId] : []),
    };
    const provisioner = new Provisioner({ records: world.records, pools, reportDelayMs: 60_000 });
    await provisioner.delete(spec.volumeId);
    assert.equal(looks, 3);
    assert.deepEqual(await world.records.list(), []);
  });

  it('begins anew when somebody else was quicker to write, at any of its writes, and says so when that does not end', async () => {
    const records = new FaultyRecords(world.records);
    const provisioner = new Provisioner({ records, pools: world });
    for (const writesBefore of [0, 1, 2]) {
      const { spec } = await create('one');
      records.plan(writesBefore, 'conflict');
      await provisioner.delete(spec.volumeId);
      assert.deepEqual(await world.records.list(), []);
    }
    const again = await create('one');
    let writes = 0;
    world.records.update = async () => {
      writes += 1;
      throw new DriverError('record-conflict', 'somebody was quicker');
    };
    await assert.rejects(provisioner.delete(again.spec.volumeId), { reason: 'record-conflict' });
    assert.equal(writes, 5);
  });

  it('leads to another life under the same name, in the scrubbed slot of the first', async () => {
    const first = await create('one');
    const slot = world.slots.get(`${poolA}/${slotPath(first.spec.slot)}`);
    assert.ok(slot);
    slot.isZero = false;
    await world.provisioner.delete(first.spec.volumeId);
    await waitUntil('the slot is clean', async () => (await world.records.slots())[0]?.phase === 'Reusable');
    assert.equal(slot.isZero, true);
    const second = await create('one');
    assert.notEqual(second.spec.volumeId, first.spec.volumeId);
    assert.equal(second.spec.slot, first.spec.slot);
    assert.deepEqual(await world.records.slots(), []);
  });

  it('keeps the slot for good where the pool says so, and never hands it out', async () => {
    world.addPool('a', poolA, 512n, { deletedVolumes: 'Keep' });
    const first = await create('one');
    await world.provisioner.delete(first.spec.volumeId);
    assert.equal((await world.records.slots())[0]?.phase, 'Kept');
    const second = await create('one');
    assert.notEqual(second.spec.slot, first.spec.slot);
  });

  it('scrubs only when no node has the volume any more', async () => {
    const { spec } = await create('one');
    world.failures.set('zeroFiles', 'pool-busy');
    await world.provisioner.delete(spec.volumeId);
    // A node that nobody could reach comes back, and has it still.
    world.published.add(spec.volumeId);
    world.failures.clear();
    await create('meanwhile');
    assert.equal((await world.records.slots())[0]?.phase, 'Scrubbing');
    world.published.clear();
    await create('afterwards');
    await waitUntil('it is clean', async () => (await world.records.slots())[0]?.phase === 'Reusable');
  });

  it('hands a slot to volumes of the same layout only', async () => {
    const { spec } = await create('one');
    await world.provisioner.delete(spec.volumeId);
    await waitUntil('it is clean', async () => (await world.records.slots())[0]?.phase === 'Reusable');
    const other = await create('other', { range: { requiredBytes: 9n * unit, limitBytes: 0n } });
    assert.notEqual(other.spec.slot, spec.slot);
  });
});
