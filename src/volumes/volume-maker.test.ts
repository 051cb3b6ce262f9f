// What the maker of volumes does when its way to the records is cut amid the work. Its part in whole provisioning is tried with
// sequences (volumes.property.test.ts) and on a real API server (test/agent.api.test.ts).
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { FaultyRecords } from '../../test/faulty-records.ts';
import { MemoryRecords } from '../../test/memory-records.ts';
import { newSlot } from '../../test/volume-records-contract.ts';
import { waitUntil } from '../../test/wait-until.ts';
import { DriverError } from '../errors.ts';
import type { PoolUuid } from './ids.ts';
import type { SlotMaker } from './slot-maker.ts';
import { type MakerPace, VolumeMaker } from './volume-maker.ts';
import { newStatus, type SlotRecord, type VolumeRecord } from './volume-record.ts';
import type { VolumeRecords } from './volume-records.ts';

const mib = 1n << 20n;
const record: Omit<VolumeRecord, 'version'> = {
  name: 'one',
  deleting: false,
  spec: {
    ...{ volumeId: 'id', poolName: 'fast', poolUuid: '11111111-1111-4111-8111-111111111111' as PoolUuid },
    ...{ slot: 'slot', node: 'n1', range: { requiredBytes: 1n, limitBytes: 0n } },
    ...{ access: 'rw', claim: undefined },
    layout: { kind: 'file', fileCount: 1, fileSizeBytes: 4n * mib, fileMode: 0o640, owner: undefined },
  },
  status: newStatus,
};

const pace: MakerPace = {
  ...{ firstBackOffMs: 1, longestBackOffMs: 1, reportIntervalMs: 0, roundIntervalMs: 1_000 },
  tellAfterMs: 3_600_000,
};

function newMaker(
  records: VolumeRecords,
  maker: SlotMaker,
  changes: Partial<MakerPace> = {},
  onWarning: (fields: Readonly<Record<string, unknown>>) => void = () => undefined,
): VolumeMaker {
  return new VolumeMaker({
    ...{ records, maker, node: 'n1', slotsInUse: async () => new Map<string, string>() },
    log: { info: () => undefined, warn: (_message, fields) => onWarning(fields) },
    pace: { ...pace, ...changes },
  });
}

const untilReady = (store: VolumeRecords): Promise<void> =>
  waitUntil('it is ready', async () => (await store.get('one'))?.status.phase === 'Ready');

it('the maker of volumes goes on filling with zeros while its progress cannot be told', async () => {
  const store = new MemoryRecords();
  await store.create(record);
  const records = new FaultyRecords(store);
  let begun = 0;
  const maker: SlotMaker = {
    async *makeFiles() {
      yield { filesMade: 1, logEntries: 3 };
    },
    async *zeroFiles() {
      begun++;
      yield { bytesDone: mib };
      records.isCut = true;
      yield { bytesDone: 2n * mib };
      records.isCut = false;
      yield { bytesDone: 3n * mib };
      yield { bytesDone: 4n * mib };
    },
  };
  const making = newMaker(records, maker);
  making.start();
  await untilReady(store);
  await making.stop();
  assert.equal(begun, 1);
});

it('the maker of volumes tries again at once what failed when it is told that the cause is gone', async () => {
  const store = new MemoryRecords();
  await store.create(record);
  let isAway = true;
  const maker: SlotMaker = {
    async *makeFiles() {
      if (isAway) throw new DriverError('mounter-unavailable', 'nobody answers');
      yield { filesMade: 1, logEntries: 3 };
    },
    async *zeroFiles() {
      yield { bytesDone: 4n * mib };
    },
  };
  const anHourMs = 3_600_000;
  const making = newMaker(store, maker, {
    ...{ firstBackOffMs: anHourMs, longestBackOffMs: anHourMs, roundIntervalMs: anHourMs },
  });
  making.start();
  const problem = async () => (await store.get('one'))?.status.problem?.reason;
  await waitUntil('it has failed', async () => (await problem()) === 'mounter-unavailable');
  isAway = false;
  making.retryNow();
  await untilReady(store);
  await making.stop();
});

it('the maker of volumes fills nothing with zeros again because nobody could be told that it is done', async () => {
  const store = new MemoryRecords();
  await store.create(record);
  const records = new FaultyRecords(store);
  const refusals: Readonly<Record<string, unknown>>[] = [];
  let begun = 0;
  const maker: SlotMaker = {
    async *makeFiles() {
      yield { filesMade: 1, logEntries: 3 };
    },
    async *zeroFiles() {
      begun++;
      yield { bytesDone: 4n * mib };
      records.isCut = true;
    },
  };
  const making = newMaker(records, maker, {}, (fields) => {
    refusals.push(fields);
    setTimeout(() => {
      records.isCut = false;
    }, 20);
  });
  making.start();
  await untilReady(store);
  await making.stop();
  assert.deepEqual([begun, refusals.length], [1, 1]);
});

it('the maker of volumes fills a slot with zeros once, and again only when that is not recorded for this volume', async () => {
  const layout = record.spec.layout;
  const left: Omit<SlotRecord, 'version'> = {
    ...newSlot({ slot: 'slot', poolUuid: record.spec.poolUuid, node: 'n1', layout }),
    ...{ phase: 'Reusable', bytesZeroed: 4n * mib, promisedTo: 'one' },
  };
  for (const [change, zeroings] of [
    [{}, 0],
    [{ bytesZeroed: 2n * mib }, 1],
    [{ layout: { ...layout, fileMode: 0o600 } }, 1],
  ] as const) {
    const store = new MemoryRecords();
    await store.createSlot({ ...left, ...change });
    await store.create(record);
    let begun = 0;
    const maker: SlotMaker = {
      async *makeFiles() {
        yield { filesMade: 1, logEntries: 3 };
      },
      async *zeroFiles() {
        begun++;
        yield { bytesDone: 4n * mib };
      },
    };
    const making = newMaker(store, maker);
    making.start();
    await untilReady(store);
    await making.stop();
    assert.equal(begun, zeroings);
    const { status } = (await store.get('one')) ?? assert.fail();
    assert.deepEqual([status.filesMade, status.logEntries, status.bytesZeroed], [1, 3, 4n * mib]);
  }
});

it('the maker of volumes never touches a volume again that became ready while it asked what nodes have published', async () => {
  const store = new MemoryRecords();
  await store.create(record);
  const left = { slot: 'left', formerVolumeId: 'former', phase: 'Scrubbing', node: 'n1' } as const;
  await store.createSlot({ ...newSlot(left), ...left });
  const [mayEnd, mayAnswer] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const begun = { makings: 0, questions: 0 };
  const maker: SlotMaker = {
    async *makeFiles() {
      begun.makings++;
      await mayEnd.promise;
      yield { filesMade: 1, logEntries: 3 };
    },
    async *zeroFiles() {
      yield { bytesDone: 4n * mib };
    },
  };
  const making = new VolumeMaker({
    ...{ records: store, maker, node: 'n1', pace },
    slotsInUse: async () => {
      begun.questions++;
      // The second takes as long as a slow API server.
      if (begun.questions === 2) await mayAnswer.promise;
      return new Map([['left', 'A pod has it.']]);
    },
    log: { info: () => undefined, warn: () => undefined },
  });
  making.start();
  await waitUntil('it is being made', () => begun.makings === 1);
  making.look();
  await waitUntil('the next round asks', () => begun.questions === 2);
  mayEnd.resolve();
  await untilReady(store);
  mayAnswer.resolve();
  await waitUntil('the round after it asks', () => begun.questions > 2);
  for (let tick = 0; tick < 50; tick++) await new Promise(setImmediate);
  assert.deepEqual([begun.makings, (await store.get('one'))?.status.phase], [1, 'Ready']);
  await making.stop();
});

it('the maker of volumes does not scrub a slot that passed to a volume while it asked what nodes have published', async () => {
  const store = new MemoryRecords();
  const left = { slot: 'slot', formerVolumeId: 'former', phase: 'Scrubbing', node: 'n1' } as const;
  const slot = await store.createSlot({ ...newSlot(left), ...left });
  const mayAnswer = Promise.withResolvers<void>();
  let [zeroings, questions] = [0, 0];
  const maker: SlotMaker = {
    async *makeFiles() {
      yield { filesMade: 1, logEntries: 3 };
    },
    async *zeroFiles() {
      zeroings++;
      yield { bytesDone: 4n * mib };
    },
  };
  const making = new VolumeMaker({
    ...{ records: store, maker, node: 'n1', pace },
    slotsInUse: async () => {
      questions++;
      await mayAnswer.promise;
      return new Map<string, string>();
    },
    log: { info: () => undefined, warn: () => undefined },
  });
  making.start();
  await waitUntil('it asks', () => questions === 1);
  // Another process of this node, which has ended since, had scrubbed it; then it went to a volume, which somebody has.
  await store.create({ ...record, status: { ...newStatus, phase: 'Ready', filesMade: 1 } });
  await store.removeSlot(slot);
  mayAnswer.resolve();
  for (let tick = 0; tick < 50; tick++) await new Promise(setImmediate);
  assert.equal(zeroings, 0);
  await making.stop();
});
