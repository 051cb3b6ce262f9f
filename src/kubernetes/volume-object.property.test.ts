import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isReason, reasons } from '../errors.ts';
import type { PoolUuid } from '../volumes/ids.ts';
import type { SlotLayout } from '../volumes/slot-layout.ts';
import {
  newSlotName,
  newStatus,
  type SlotRecord,
  type VolumeRecord,
  type VolumeStatus,
} from '../volumes/volume-record.ts';
import { conditionReason, reasonOfCondition } from './conditions.ts';
import type { FamfsVolume } from './famfs-volume.ts';
import {
  objectNameOf,
  objectOfSlot,
  objectOfVolume,
  slotOfObject,
  statusOfSlot,
  statusOfVolume,
  volumeOfObject,
} from './volume-object.ts';

const now = new Date('2026-01-02T03:04:05.678Z');
/** Objects as the code makes them, which deepEqual tells from those without a prototype. */
function record<T extends object>(parts: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record<T>(parts, { noNullPrototype: true });
}

const bytes = fc.bigInt({ min: 0n, max: (1n << 62n) - 1n });
const poolUuid = fc.uuid().map((uuid) => uuid as PoolUuid);
const slotName = fc.nat().map(() => newSlotName());
const problem = fc.option(
  record({
    reason: fc.constantFrom(...Object.keys(reasons).filter(isReason)),
    message: fc.string({ maxLength: 4096, unit: 'binary' }).filter((text) => text.length <= 4096),
  }),
  { nil: undefined },
);
const owner = fc.option(record({ uid: fc.nat(), gid: fc.nat() }), { nil: undefined });
const layout: fc.Arbitrary<SlotLayout> = record({
  kind: fc.constantFrom('file', 'files'),
  fileCount: fc.integer({ min: 1, max: 1000 }),
  fileSizeBytes: bytes,
  fileMode: fc.integer({ min: 0, max: 0o777 }),
  owner,
});
const volumeStatus: fc.Arbitrary<VolumeStatus> = record({
  phase: fc.constantFrom('Pending', 'Creating', 'Zeroing', 'Ready'),
  filesMade: fc.nat(),
  bytesZeroed: bytes,
  logEntries: fc.nat(),
  problem,
});
const volume: fc.Arbitrary<VolumeRecord> = record({
  name: fc.string({ minLength: 1, maxLength: 128 }),
  version: fc.nat().map(String),
  deleting: fc.boolean(),
  spec: record({
    ...{ volumeId: fc.string({ minLength: 1 }), poolName: fc.string(), poolUuid, slot: slotName },
    ...{ node: fc.string(), layout, range: record({ requiredBytes: bytes, limitBytes: bytes }) },
    access: fc.constantFrom('rw', 'rw-safe'),
    claim: fc.option(record({ namespace: fc.string(), name: fc.string() }), { nil: undefined }),
  }),
  status: volumeStatus,
});
const slot: fc.Arbitrary<SlotRecord> = record({
  ...{ slot: slotName, version: fc.nat().map(String), poolName: fc.string(), poolUuid },
  ...{ node: fc.string(), layout },
  ...{ formerVolumeId: fc.string(), phase: fc.constantFrom('Kept', 'Scrubbing', 'Reusable') },
  ...{ bytesZeroed: bytes, problem, promisedTo: fc.option(fc.string(), { nil: undefined }) },
});

/** As the API server hands it back. */
function served(object: FamfsVolume, version: string): FamfsVolume {
  const { metadata, ...rest } = object;
  return JSON.parse(JSON.stringify({ ...rest, metadata: { ...metadata, resourceVersion: version } }));
}

test('a volume comes back from its object as it was', () => {
  fc.assert(
    fc.property(volume, (record) => {
      const object = { ...objectOfVolume(record), status: statusOfVolume(record, undefined, now) };
      assert.deepEqual(volumeOfObject(served(object, record.version)), record);
      assert.equal(slotOfObject(object), undefined);
    }),
  );
});

test('a slot comes back from its object as it was', () => {
  fc.assert(
    fc.property(slot, (record) => {
      const object = {
        ...objectOfSlot(record),
        status: statusOfSlot(record, undefined, now),
      };
      assert.deepEqual(slotOfObject(served(object, record.version)), record);
      assert.equal(volumeOfObject(object), undefined);
    }),
  );
});

test('a record of which nothing was reported is as new', () => {
  fc.assert(
    fc.property(volume, slot, fc.constantFrom('Kept', 'Scrubbing'), (record, left, phase) => {
      assert.deepEqual(volumeOfObject(objectOfVolume(record))?.status, newStatus);
      const unreported = slotOfObject(objectOfSlot({ ...left, phase }));
      assert.deepEqual(unreported, {
        ...{ ...left, phase, version: '' },
        ...{ bytesZeroed: 0n, problem: undefined },
      });
    }),
  );
});

test('every reason of the driver survives the way into a condition and back', () => {
  for (const reason of Object.keys(reasons).filter(isReason))
    assert.equal(reasonOfCondition(conditionReason(reason)), reason);
  assert.equal(conditionReason('out-of-space'), 'OutOfSpace');
  assert.equal(reasonOfCondition('Creating'), undefined);
});

test('a problem that a newer agent reports is a problem all the same', () => {
  const [record] = fc.sample(volume, { numRuns: 1, seed: 1 });
  assert.ok(record);
  const status = { ...newStatus, problem: { reason: 'internal', message: 'odd' } } as const;
  const reported = statusOfVolume({ ...record, status }, undefined, now);
  const conditions = reported.conditions?.map((each) => ({ ...each, reason: 'OfNextYear' }));
  const object = { ...objectOfVolume(record), status: { ...reported, conditions: conditions ?? [] } };
  assert.deepEqual(volumeOfObject(object)?.status.problem, { reason: 'internal', message: 'odd' });
});

test('every name of a volume has an object name of its own that Kubernetes allows', () => {
  const label = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
  fc.assert(
    fc.property(fc.string({ minLength: 1, maxLength: 128 }), (name) => {
      const objectName = objectNameOf(name);
      assert.ok(objectName.length <= 63);
      assert.ok(
        objectName.split('.').every((part) => label.test(part)),
        objectName,
      );
      assert.ok(objectName === name || /^name-[0-9a-f]{32}$/.test(objectName));
    }),
  );
  const claimed = 'pvc-6f1c7e0a-27f2-4f0e-9f2b-0f3a9d7f4c11';
  assert.equal(objectNameOf(claimed), claimed);
  assert.equal(objectNameOf('a.b-c'), 'a.b-c');
  for (const name of ['slot-aaaaaaaaaaaaaaaa', `name-${'0'.repeat(32)}`, 'a..b', '-a', 'A', 'x'.repeat(64)])
    assert.match(objectNameOf(name), /^name-[0-9a-f]{32}$/, name);
});
