import { MemoryRecords } from './memory-records.ts';
import { describeVolumeRecords } from './volume-records-contract.ts';

describeVolumeRecords('records in memory', async () => {
  const records = new MemoryRecords();
  return { records, again: async () => records, close: async () => undefined };
});
