// What every store of records keeps to (src/volumes/volume-records.ts), as one set of tests: provisioning decides by it, whether
// records are in a file, in memory or at an API server.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { PoolUuid } from '../src/volumes/ids.ts';
import {
  newSlotName,
  newStatus,
  newVolumeId,
  type SlotRecord,
  type VolumeRecord,
} from '../src/volumes/volume-record.ts';
import type { VolumeRecords } from '../src/volumes/volume-records.ts';
import { waitUntil } from './wait-until.ts';

/** A store with nothing in it. */
export interface OpenedRecords {
  readonly records: VolumeRecords;
  /** The same store as a process reads it that starts now, the one before having ended. */
  again(): Promise<VolumeRecords>;
  close(): Promise<void>;
}

const poolUuid = '11111111-1111-4111-8111-111111111111' as PoolUuid;
const largeBytes = (1n << 62n) + (2n << 20n);

/** What an orchestrator may call a volume. */
export const volumeNames: readonly string[] = [
  'pvc-6f1c7e0a-27f2-4f0e-9f2b-0f3a9d7f4c11',
  'constructor',
  '__proto__',
  'slot-aaaaaaaaaaaaaaaa',
  'name-0123456789abcdef0123456789abcdef',
  'With Blanks/und Größe',
  'x'.repeat(64),
  '.',
  '-',
  'y'.repeat(128),
];

/** A record as the controller writes it first. */
export function newVolume(
  name: string,
  changes: Partial<VolumeRecord['spec']> = {},
): Omit<VolumeRecord, 'version'> {
  return {
    name,
    deleting: false,
    spec: {
      volumeId: newVolumeId(poolUuid),
      poolName: 'models',
      poolUuid,
      slot: newSlotName(),
      node: 'node-1',
      layout: { kind: 'file', fileCount: 1, fileSizeBytes: largeBytes, fileMode: 0o640, owner: undefined },
      range: { requiredBytes: largeBytes - 1n, limitBytes: 0n },
      access: 'rw-safe',
      claim: { namespace: 'team-a', name: 'weights' },
      ...changes,
    },
    status: newStatus,
  };
}

/** The record of a slot as a deleted volume leaves it. */
export function newSlot(changes: Partial<SlotRecord> = {}): Omit<SlotRecord, 'version'> {
  return {
    slot: newSlotName(),
    poolName: 'models',
    poolUuid,
    node: 'node-1',
    layout: {
      kind: 'files',
      fileCount: 3,
      fileSizeBytes: 2n << 20n,
      fileMode: 0o600,
      owner: { uid: 1000, gid: 2 },
    },
    formerVolumeId: newVolumeId(poolUuid),
    phase: 'Scrubbing',
    bytesZeroed: 0n,
    problem: undefined,
    promisedTo: undefined,
    ...changes,
  };
}

/** Tests a store of records; call it in a test file of the store. */
export function describeVolumeRecords(name: string, open: () => Promise<OpenedRecords>): void {
  describe(name, () => {
    let store: OpenedRecords;
    let records: VolumeRecords;
    beforeEach(async () => {
      store = await open();
      records = store.records;
    });
    afterEach(() => store.close());

    const lost = (write: Promise<unknown>): Promise<void> =>
      assert.rejects(write, { reason: 'record-conflict' });

    it('gives back what was written, whatever the volume is called, now and to a process that starts later', async () => {
      const written: VolumeRecord[] = [];
      for (const volume of volumeNames) written.push(await records.create(newVolume(volume)));
      const one = newVolume('one', {
        layout: {
          kind: 'files',
          fileCount: 1,
          fileSizeBytes: 2n << 20n,
          fileMode: 0,
          owner: { uid: 5, gid: 7 },
        },
        range: { requiredBytes: 0n, limitBytes: 4n << 20n },
        access: 'rw',
        claim: undefined,
      });
      written.push(await records.create(one));
      for (const each of [records, await store.again()]) {
        for (const record of written) assertSame(await each.get(record.name), record);
        assertSame(byVersion(await each.list()), byVersion(written));
        assert.equal(await each.get('never-written'), undefined);
        assertSame(await each.slots(), []);
      }
    });

    it('keeps everything that the master reports', async () => {
      let record = await records.create(newVolume('one'));
      const steps = [
        { ...newStatus, phase: 'Creating' },
        {
          ...newStatus,
          phase: 'Creating',
          filesMade: 1,
          problem: { reason: 'out-of-space', message: 'Es ist "voll".\n' },
        },
        { phase: 'Zeroing', filesMade: 1, bytesZeroed: 12345n, logEntries: 77, problem: undefined },
        { phase: 'Ready', filesMade: 1, bytesZeroed: largeBytes, logEntries: 77, problem: undefined },
      ] as const;
      for (const status of steps) {
        record = await records.update({ ...record, status });
        assertSame(record.status, status);
        assertSame(await records.get('one'), record);
      }
      record = await records.update({ ...record, spec: { ...record.spec, node: 'node-2' } });
      record = await records.update({ ...record, deleting: true });
      assertSame(record.status, steps[3]);
      for (const each of [records, await store.again()]) assertSame(await each.get('one'), record);
    });

    it('keeps slots beside volumes, and does not take the one for the other', async () => {
      const volume = await records.create(newVolume('one'));
      const kept = await records.createSlot(newSlot({ phase: 'Kept', slot: volume.spec.slot }));
      let slot = await records.createSlot(newSlot());
      slot = await records.updateSlot({
        ...slot,
        problem: { reason: 'pool-busy', message: 'Somebody else has it.' },
      });
      slot = await records.updateSlot({
        ...slot,
        phase: 'Reusable',
        bytesZeroed: 6n << 20n,
        problem: undefined,
      });
      slot = await records.updateSlot({ ...slot, promisedTo: 'With Blanks/und Größe' });
      for (const each of [records, await store.again()]) {
        assertSame(byVersion(await each.slots()), byVersion([kept, slot]));
        assertSame(await each.list(), [volume]);
      }
      slot = await records.updateSlot({ ...slot, promisedTo: undefined });
      assert.equal(slot.promisedTo, undefined);
      slot = await records.updateSlot({ ...slot, node: 'node-2' });
      await records.removeSlot(slot);
      await records.remove(volume);
      assertSame([await records.list(), await records.slots()], [[], [kept]]);
    });

    it('lets nobody write who has not read the last version', async () => {
      const first = await records.create(newVolume('one'));
      await lost(records.create(newVolume('one')));
      const second = await records.update({ ...first, status: { ...first.status, phase: 'Creating' } });
      assert.notEqual(second.version, first.version);
      await lost(records.update({ ...first, deleting: true }));
      await lost(records.update({ ...first, status: { ...first.status, phase: 'Zeroing' } }));
      await lost(records.remove(first));
      assertSame(await records.get('one'), second);
      await records.remove(second);
      await lost(records.update({ ...second, deleting: true }));
      await lost(records.remove(second));
      assert.equal(await records.get('one'), undefined);
    });

    it('lets nobody write a slot who has not read the last version', async () => {
      const first = await records.createSlot(newSlot({ phase: 'Scrubbing' }));
      await lost(records.createSlot(first));
      const second = await records.updateSlot({ ...first, phase: 'Reusable' });
      await lost(records.updateSlot({ ...first, promisedTo: 'one' }));
      await lost(records.updateSlot({ ...first, bytesZeroed: 1n }));
      await lost(records.removeSlot(first));
      await records.removeSlot(second);
      await lost(records.updateSlot({ ...second, promisedTo: 'one' }));
      await lost(records.removeSlot(second));
      assertSame(await records.slots(), []);
    });

    it('takes a name again after its record is gone, as a record that nobody has read yet', async () => {
      const first = await records.create(newVolume('one'));
      await records.remove(first);
      const second = await records.create(newVolume('one'));
      await lost(records.update({ ...first, deleting: true }));
      await lost(records.remove(first));
      assertSame(await records.get('one'), second);
    });

    it('lets one of many win who create or change at once', async () => {
      const outcomes = await Promise.allSettled(
        Array.from({ length: 8 }, () => records.create(newVolume('one'))),
      );
      assert.equal(won(outcomes), 1);
      const record = await records.get('one');
      assert.ok(record);
      const changes = Array.from({ length: 8 }, (_, index) =>
        records.update({ ...record, spec: { ...record.spec, node: `node-${index + 10}` } }),
      );
      assert.equal(won(await Promise.allSettled(changes)), 1);
    });

    it('tells of every change, until that is ended', async () => {
      let told = 0;
      const end = records.onChange(() => {
        told++;
      });
      const change = async <T>(write: () => Promise<T>): Promise<T> => {
        const before = told;
        const result = await write();
        await waitUntil('the change is told', () => told > before);
        return result;
      };
      const record = await change(() => records.create(newVolume('one')));
      const newer = await change(() => records.update({ ...record, deleting: true }));
      await change(() => records.remove(newer));
      const slot = await change(() => records.createSlot(newSlot()));
      const promised = await change(() => records.updateSlot({ ...slot, promisedTo: 'two' }));
      end();
      const before = told;
      await records.removeSlot(promised);
      await records.create(newVolume('two'));
      assert.equal(told, before);
    });
  });
}

function won(outcomes: readonly PromiseSettledResult<unknown>[]): number {
  for (const outcome of outcomes)
    if (outcome.status === 'rejected') assert.equal(outcome.reason.reason, 'record-conflict');
  return outcomes.filter(({ status }) => status === 'fulfilled').length;
}

/** What is undefined may be missing as well. */
function assertSame(actual: unknown, expected: unknown): void {
  assert.deepEqual(plain(actual), plain(expected));
}

function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Map) return new Map([...value].map(([key, each]) => [key, plain(each)]));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, each]) => each !== undefined)
      .map(([key, each]) => [key, plain(each)]),
  );
}

/** In whatever order they were listed. */
function byVersion<R extends { readonly version: string }>(records: readonly R[]): Map<string, R> {
  return new Map(records.map((record) => [record.version, record]));
}
