import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { poolA, poolB, unit } from '../../test/provisioning-world.ts';
import { capacityOf } from './capacity.ts';
import { type ClassParameters, parseClassParameters } from './class-parameters.ts';
import type { PoolFacts } from './pool-facts.ts';
import type { Occupancy } from './slot-promise.ts';
import type { SlotRecord } from './volume-record.ts';

const pool = (changes: Partial<PoolFacts> = {}): PoolFacts => ({
  ...{
    name: 'a',
    uuid: poolA,
    writes: 'Allowed',
    deletedVolumes: 'Reuse',
    master: 'node-1',
    problem: undefined,
  },
  ...{ sizeBytes: 100n * unit, freeBytes: 50n * unit, longestFreeRunBytes: 20n * unit },
  ...{ allocationUnitBytes: unit, logEntriesFree: 100, nodes: [{ name: 'node-1', writers: 'safe' }] },
  ...changes,
});
const other = pool({ name: 'b', uuid: poolB, freeBytes: 7n * unit, longestFreeRunBytes: 7n * unit });
const none = { volumes: [], slots: [] };
const slot: SlotRecord = {
  ...{
    slot: 's',
    version: '1',
    poolName: 'a',
    poolUuid: poolA,
    node: 'node-1',
    formerVolumeId: 'v',
    bytesZeroed: 0n,
  },
  ...{ phase: 'Reusable', problem: undefined, promisedTo: undefined },
  layout: { kind: 'file', fileCount: 1, fileSizeBytes: 30n * unit, fileMode: 0o666, owner: undefined },
};
const inUnits = (
  parameters: ClassParameters,
  uuids: ReadonlySet<string> | undefined,
  pools: readonly PoolFacts[],
  occupancy: Occupancy,
  hasWriter = true,
): bigint[] => {
  const wish = { parameters, uuids, hasWriter };
  const { availableBytes, maximumVolumeBytes, minimumVolumeBytes } = capacityOf(wish, pools, occupancy);
  return [availableBytes, maximumVolumeBytes, minimumVolumeBytes].map((bytes) => bytes / unit);
};

describe('capacity', () => {
  it('is the total without a topology, that of a pool with its key, and nothing elsewhere', () => {
    const any = parseClassParameters({});
    assert.deepEqual(inUnits(any, undefined, [pool(), other], none), [57n, 20n, 1n]);
    assert.deepEqual(inUnits(any, new Set([poolB]), [pool(), other], none), [7n, 7n, 1n]);
    assert.deepEqual(inUnits(any, new Set(), [pool(), other], none), [0n, 0n, 0n]);
    assert.deepEqual(inUnits(parseClassParameters({ pool: 'b' }), undefined, [pool(), other], none), [
      7n,
      7n,
      1n,
    ]);
  });

  it('of one volume is the longest run, the share of several files, or a slot that is larger', () => {
    const files = parseClassParameters({ layout: 'files', fileCount: '5' });
    assert.deepEqual(inUnits(files, undefined, [pool()], none), [50n, 50n, 5n]);
    const any = parseClassParameters({});
    assert.deepEqual(inUnits(any, undefined, [pool()], { volumes: [], slots: [slot] }), [80n, 30n, 1n]);
    const others = { volumes: [], slots: [{ ...slot, layout: { ...slot.layout, fileMode: 0o600 } }] };
    assert.deepEqual(
      inUnits(any, undefined, [pool()], others),
      [50n, 20n, 1n],
      'a slot that no claim of the class gets',
    );
    const promised = { ...slot, promisedTo: 'x' };
    const beingPlaced = { volumes: [], slots: [promised], placing: new Set(['x']) };
    assert.deepEqual(inUnits(any, undefined, [pool()], beingPlaced), [50n, 20n, 1n]);
    assert.deepEqual(
      inUnits(any, undefined, [pool()], { volumes: [], slots: [promised] }),
      [80n, 30n, 1n],
      'a promise to a volume that never came',
    );
  });

  it('of slots leaves out those whose former volume some node may still have', () => {
    const slots = { volumes: [], slots: [slot], published: new Set(['v']) };
    assert.deepEqual(inUnits(parseClassParameters({}), undefined, [pool()], slots), [50n, 20n, 1n]);
  });

  it('is nothing for a writer where no node grants what the pool asks for', () => {
    const any = parseClassParameters({});
    const nodes = [{ name: 'node-1', writers: 'unsafe' as const }];
    assert.deepEqual(inUnits(any, undefined, [pool({ nodes })], none), [0n, 0n, 0n]);
    assert.deepEqual(inUnits(any, undefined, [pool({ nodes })], none, false), [50n, 20n, 1n]);
    const unsafe = pool({ nodes, writes: 'AllowedUnsafe' });
    assert.deepEqual(inUnits(any, undefined, [unsafe], none), [50n, 20n, 1n]);
  });

  it('is nothing where nothing can be made', () => {
    const problem = { reason: 'log-refused', message: '' } as const;
    for (const changes of [{ writes: 'Forbidden' as const }, { master: undefined }, { problem }])
      assert.deepEqual(inUnits(parseClassParameters({}), undefined, [pool(changes)], none), [0n, 0n, 0n]);
    assert.deepEqual(inUnits(parseClassParameters({}), undefined, [pool({ logEntriesFree: 2 })], none), [
      0n,
      0n,
      1n,
    ]);
  });
});
