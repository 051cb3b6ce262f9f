// The store of records as provisioning sees it. Implemented by file-records.ts on one host and by kubernetes/ on a cluster.
import type { SlotRecord, VolumeRecord } from './volume-record.ts';

/**
 * Every write is conditional: `create` on the absence of the name, the others on the version that was read. A write
 * that loses throws DriverError `record-conflict`, and who wrote reads again. An update changes either what the controller
 * says (`deleting`, `node`, `promisedTo`) or what the master reports, never both; a new record is `newStatus`, and a new
 * slot `Kept` or `Scrubbing`. Who has written reads what it wrote from then on. Held by test/volume-records-contract.ts.
 */
export interface VolumeRecords {
  get(name: string): Promise<VolumeRecord | undefined>;
  list(): Promise<readonly VolumeRecord[]>;
  create(record: Omit<VolumeRecord, 'version'>): Promise<VolumeRecord>;
  update(record: VolumeRecord): Promise<VolumeRecord>;
  remove(record: VolumeRecord): Promise<void>;

  slots(): Promise<readonly SlotRecord[]>;
  createSlot(record: Omit<SlotRecord, 'version'>): Promise<SlotRecord>;
  updateSlot(record: SlotRecord): Promise<SlotRecord>;
  removeSlot(record: SlotRecord): Promise<void>;

  /** Calls `listener` after every change, whoever made it. Returns what ends that. */
  onChange(listener: () => void): () => void;
}
