import assert from 'node:assert/strict';
import { it } from 'node:test';
import { MemoryRecords } from '../../test/memory-records.ts';
import { newSlot } from '../../test/volume-records-contract.ts';
import { waitUntil } from '../../test/wait-until.ts';
import { DriverError } from '../errors.ts';
import { BoundSlots } from './bound-slots.ts';
import type { PoolFacts } from './pool-facts.ts';
import { RecordTending } from './record-tending.ts';

it('records of a host follow its name when it is called otherwise than before, as soon as its pools are known', async () => {
  const records = new MemoryRecords();
  const slot = await records.createSlot(newSlot({ node: 'former', phase: 'Scrubbing' }));
  const problems: unknown[] = [];
  let facts: readonly PoolFacts[] | undefined;
  const list = async (): Promise<readonly PoolFacts[]> => {
    if (facts === undefined) throw new DriverError('mounter-unavailable', 'nobody answers');
    return facts;
  };
  const tending = new RecordTending({
    records,
    pools: { list, publishedVolumeIds: async () => new Set(), boundSlots: async () => new BoundSlots() },
    log: { info: () => undefined, warn: (_message, fields) => problems.push(fields.reason) },
  });
  tending.start();
  await waitUntil('it has failed', () => problems.length > 0);
  facts = [{ uuid: slot.poolUuid, master: 'now' } as PoolFacts];
  tending.look();
  await waitUntil('the slot is looked after', async () => (await records.slots())[0]?.node === 'now');
  await tending.stop();
  assert.deepEqual(problems, ['mounter-unavailable']);
});
