// What people read about volumes, at the volume and at its claim, and when.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { famfsPool, ToldCache } from '../../test/cluster-objects.ts';
import { MemoryRecords } from '../../test/memory-records.ts';
import { newSlot, newVolume } from '../../test/volume-records-contract.ts';
import { waitUntil } from '../../test/wait-until.ts';
import { DriverError } from '../errors.ts';
import { silentLogger as log } from '../observe/logger.ts';
import { BoundSlots } from '../volumes/bound-slots.ts';
import type { PoolFacts, Pools } from '../volumes/pool-facts.ts';
import { newStatus, type RecordProblem, type VolumeStatus } from '../volumes/volume-record.ts';
import type { ApiObject } from './api-object.ts';
import type { EventNote } from './event-recorder.ts';
import type { FamfsPool } from './famfs-pool.ts';
import { endAnnotation, type FamfsVolume } from './famfs-volume.ts';
import { objectOfSlot, objectOfVolume, statusOfSlot, statusOfVolume } from './volume-object.ts';
import { VolumeReconciler } from './volume-reconciler.ts';

const uid = '4da8f6be-8dbd-4bfc-bad2-3c0f78ba87bf';
const name = `pvc-${uid}`;
const away: RecordProblem = { reason: 'master-away', message: 'Node a has not reported.' };

describe('what is told about a volume', () => {
  let volumes: ToldCache<FamfsVolume>;
  let pools: ToldCache<FamfsPool>;
  let problem: RecordProblem | undefined;
  let reconciler: VolumeReconciler;
  /** Kind, name and namespace of the subject, and the reason. */
  let told: string[];
  let version: number;
  /** Ids of the volumes that were ended. */
  let ended: string[];
  let isInUse: boolean;

  beforeEach(() => {
    volumes = new ToldCache();
    pools = new ToldCache([famfsPool('models')]);
    problem = undefined;
    told = [];
    version = 0;
    ended = [];
    isInUse = false;
    reconciler = newReconciler(60_000);
  });
  afterEach(() => reconciler.stop());

  function newReconciler(patienceMs: number): VolumeReconciler {
    const { spec } = objectOfVolume(newVolume(name));
    const facts = (): Partial<PoolFacts> => ({
      uuid: newVolume(name).spec.poolUuid,
      name: spec.poolName,
      problem,
      master: 'a',
    });
    const known: Pools = {
      list: async () => [facts() as PoolFacts],
      publishedVolumeIds: async () => new Set(),
      boundSlots: async () => new BoundSlots(),
    };
    return new VolumeReconciler({
      ...{ famfsVolumes: volumes, famfsPools: pools, reports: { onChange: () => () => undefined } },
      ...{ records: new MemoryRecords(), pools: known, log, patienceMs, end },
      events: { record },
    });
  }

  async function end(volumeId: string): Promise<void> {
    if (isInUse) throw new DriverError('volume-in-use', 'Node b has it.');
    ended.push(volumeId);
  }

  function record({ kind, metadata }: ApiObject, { type, reason }: EventNote): void {
    const { namespace, uid: known } = metadata;
    told.push([kind, namespace, known, type, reason].filter((word) => word !== undefined).join(' '));
  }

  function put(
    status: Partial<VolumeStatus> | undefined,
    changes: Partial<FamfsVolume['metadata']> = {},
  ): void {
    const volume = newVolume(name, { volumeId: 'v', slot: 'aaaaaaaaaaaaaaaa' });
    const object = objectOfVolume(volume);
    const reported =
      status && statusOfVolume({ ...volume, status: { ...newStatus, ...status } }, undefined, new Date());
    const metadata = { ...object.metadata, resourceVersion: `${++version}`, ...changes };
    volumes.put({ ...object, metadata, ...(reported === undefined ? {} : { status: reported }) });
  }

  const both = (type: string, reason: string): readonly string[] => [
    `FamfsVolume ${type} ${reason}`,
    `PersistentVolumeClaim team-a ${uid} ${type} ${reason}`,
  ];
  const untilTold = (...expected: readonly (readonly string[])[]): Promise<void> =>
    waitUntil(
      `it is told: ${expected.flat().join(', ')}; was: ${told.join(', ')}`,
      () => told.length >= expected.flat().length,
    ).finally(() => assert.deepEqual(told, expected.flat()));

  it('is nothing while it is made as fast as usual', async () => {
    reconciler.start();
    for (const phase of ['Creating', 'Zeroing', 'Ready'] as const) put({ phase });
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.deepEqual(told, []);
  });

  it('is how far it is, when that takes long, and its end', async () => {
    reconciler = newReconciler(0);
    reconciler.start();
    put(undefined);
    await untilTold(both('Normal', 'WaitingForNode'));
    for (const filesMade of [0, 1, 2]) put({ phase: 'Creating', filesMade });
    await untilTold(both('Normal', 'WaitingForNode'), both('Normal', 'MakingFiles'));
    put({ phase: 'Zeroing' });
    const before = [
      both('Normal', 'WaitingForNode'),
      both('Normal', 'MakingFiles'),
      both('Normal', 'FillingWithZeros'),
    ];
    await untilTold(...before);
    put({ phase: 'Ready' });
    await untilTold(...before, both('Normal', 'VolumeReady'));
    put({ phase: 'Ready' });
    await new Promise((resolve) => setTimeout(resolve, 20));
    await untilTold(...before, both('Normal', 'VolumeReady'));
  });

  it('is what keeps its node from it, or its pool, though nothing of the volume changes', async () => {
    reconciler.start();
    put({ phase: 'Creating', problem: { reason: 'out-of-space', message: 'full' } });
    await untilTold(both('Warning', 'OutOfSpace'));
    put({ phase: 'Creating' });
    problem = away;
    pools.put(famfsPool('models'));
    await untilTold(both('Warning', 'OutOfSpace'), both('Warning', 'MasterAway'));
  });

  it('is that it takes long when its time has come, though nothing happens', async () => {
    reconciler = newReconciler(30);
    reconciler.start();
    put({ phase: 'Creating' });
    await untilTold(both('Normal', 'MakingFiles'));
  });

  it('is told to nobody else of a slot, and to the volume alone when its claim is not known', async () => {
    reconciler.start();
    const slot = { ...newSlot(), problem: away };
    volumes.put({ ...objectOfSlot(slot), status: statusOfSlot(slot, undefined, new Date()) });
    await untilTold(['FamfsVolume Warning MasterAway']);
    const unclaimed = newVolume('one', { claim: undefined });
    const status = { ...newStatus, problem: away };
    volumes.put({
      ...objectOfVolume(unclaimed),
      status: statusOfVolume({ ...unclaimed, status }, undefined, new Date()),
    });
    await untilTold(['FamfsVolume Warning MasterAway', 'FamfsVolume Warning MasterAway']);
  });

  it('ends a volume whose record names its life as one to be ended, and no other', async () => {
    reconciler.start();
    put({ phase: 'Ready' }, { annotations: { [endAnnotation]: 'of another life' } });
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual(ended, []);
    put({ phase: 'Ready' }, { annotations: { [endAnnotation]: 'v' } });
    await waitUntil('it is ended', () => ended.length > 0);
    assert.deepEqual([ended, told], [['v'], []]);
  });

  it('does not end one that a node has published, and says so', async () => {
    isInUse = true;
    reconciler.start();
    put({ phase: 'Ready' }, { annotations: { [endAnnotation]: 'v' } });
    await untilTold(both('Warning', 'VolumeInUse'));
    assert.deepEqual(ended, []);
    isInUse = false;
    put({ phase: 'Ready' }, { annotations: { [endAnnotation]: 'v' } });
    await waitUntil('it is ended', () => ended.length > 0);
  });

  it('is that its record is needed, to who deletes it', async () => {
    reconciler.start();
    put({ phase: 'Ready' }, { deletionTimestamp: '2026-01-01T00:00:00Z' });
    await untilTold(both('Warning', 'RecordIsNeeded'));
  });
});
