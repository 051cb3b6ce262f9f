import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { ProvisioningWorld, poolA, poolB, unit } from '../../test/provisioning-world.ts';
import { parseClassParameters } from './class-parameters.ts';
import type { GrantedWriters, PoolNode, PoolWrites } from './pool-facts.ts';
import { Provisioner, type VolumeWish } from './provisioner.ts';
import type { RecordProblem, VolumeRecord } from './volume-record.ts';
import { writerNodes, writersRefusal } from './writers.ts';

const node = (name: string, writers: GrantedWriters): PoolNode => ({ name, writers });
const three = [node('a', 'never'), node('b', 'unsafe'), node('c', 'safe')];

describe('the nodes of writers', () => {
  it('are those that grant what the volume may be written by', () => {
    const names = (access: 'rw' | 'rw-safe') => writerNodes({ nodes: three }, access).map(({ name }) => name);
    assert.deepEqual(names('rw'), ['b', 'c']);
    assert.deepEqual(names('rw-safe'), ['c']);
  });

  it('are missed by name, with what each grants and what to do', () => {
    const refusal = (nodes: readonly PoolNode[], access: 'rw' | 'rw-safe') =>
      writersRefusal({ name: 'models', nodes }, access)?.message ?? '';
    assert.equal(refusal(three, 'rw-safe'), '');
    assert.match(
      refusal(three.slice(0, 2), 'rw-safe'),
      /pool models .*: b grants unsafe writers only, a grants none\. .*AllowedUnsafe/,
    );
    assert.match(
      refusal(three.slice(0, 1), 'rw'),
      /pool models writable: a grants none\. Set --allow-writes/,
    );
    assert.match(refusal([], 'rw'), /no node that sees it is there/);
    const many = Array.from({ length: 5000 }, (_, index) => node(`n${index}`, 'never'));
    assert.match(refusal(many, 'rw'), /n9 and 4990 more grant none/);
  });
});

describe('a volume that is to be written', () => {
  let world: ProvisioningWorld;
  beforeEach(() => {
    world = new ProvisioningWorld();
  });
  afterEach(() => world.close());

  function set(uuid: typeof poolA, nodes: readonly PoolNode[], writes: PoolWrites = 'Allowed'): void {
    const pool = world.pools.get(uuid) ?? assert.fail(`there is no pool ${uuid}`);
    world.pools.set(uuid, { ...pool, nodes, writes });
  }

  function create(changes: Partial<VolumeWish> = {}): Promise<VolumeRecord> {
    const wish: VolumeWish = {
      ...{ name: 'one', parameters: parseClassParameters({}), hasWriter: true, claim: undefined },
      ...{
        range: { requiredBytes: unit, limitBytes: 0n },
        topology: { requisite: undefined, preferred: [] },
      },
      ...changes,
    };
    return world.provisioner.create(wish, AbortSignal.timeout(20_000));
  }

  it('is refused, and nothing is left, where a writer could stop the pool and the pool does not accept that', async () => {
    set(poolA, [node('node-1', 'unsafe')]);
    await assert.rejects(create(), {
      reason: 'writes-refused',
      message: /node-1 grants unsafe writers only/,
    });
    assert.deepEqual([await world.records.list(), world.slots.size], [[], 0]);
    assert.equal((await create({ hasWriter: false })).spec.access, 'rw-safe', 'for readers it is made');
  });

  it('is made where the pool accepts that, and says so for good', async () => {
    set(poolA, [node('node-1', 'unsafe')], 'AllowedUnsafe');
    assert.equal((await create()).spec.access, 'rw');
    set(poolA, [node('node-1', 'unsafe')], 'Allowed');
    assert.equal((await create()).spec.access, 'rw', 'the same volume is answered as it was');
  });

  it('goes to a pool in which somebody can write, be it the smaller one', async () => {
    world.addPool('b', poolB, 1000n, { nodes: [node('node-1', 'never')] });
    assert.equal((await create()).spec.poolUuid, poolA);
    assert.equal((await create({ name: 'read', hasWriter: false })).spec.poolUuid, poolB);
  });

  it('goes to a pool that can be written in the place which is preferred', async () => {
    world.addPool('b', poolB, 1000n, { nodes: [node('node-1', 'never'), node('node-2', 'safe')] });
    set(poolA, [node('node-1', 'safe')]);
    const both = new Set([poolA, poolB]);
    // A node that sees both pools, and one that sees the second alone.
    const topology = { requisite: both, preferred: [poolB, poolA], places: [both, new Set([poolB])] };
    assert.equal((await create({ topology })).spec.poolUuid, poolA);
    const elsewhere = { ...topology, places: [new Set([poolB])] };
    assert.equal((await create({ name: 'two', topology: elsewhere })).spec.poolUuid, poolB);
  });

  it('tells why it is refused to whoever wants to tell the owner of the claim', async () => {
    const told: (readonly [VolumeWish, RecordProblem])[] = [];
    const onRefusal = (wish: VolumeWish, problem: RecordProblem): void => void told.push([wish, problem]);
    world.provisioner = new Provisioner({ records: world.records, pools: world, onRefusal });
    const claim = { namespace: 'team-a', name: 'weights' };
    set(poolA, []);
    await assert.rejects(create({ claim }));
    world.failures.set('makeFiles', 'log-full');
    set(poolA, [node('node-1', 'safe')]);
    await assert.rejects(create({ claim, name: 'two' }));
    assert.deepEqual(
      told.map(([wish, { reason }]) => [wish.name, wish.claim?.name, reason]),
      [
        ['one', 'weights', 'writes-refused'],
        ['two', 'weights', 'log-full'],
      ],
    );
  });
});
