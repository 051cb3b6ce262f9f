// Records as one process sees them whose way to the store can fail at any write: before it, after it, for ever, or for a while.
// The store behind it is never wrong.
import { DriverError } from '../src/errors.ts';
import type { SlotRecord, VolumeRecord } from '../src/volumes/volume-record.ts';
import type { VolumeRecords } from '../src/volumes/volume-records.ts';

/**
 * What happens at a write. `refused`: it is not done. `answer-lost`: it is done, and who wrote hears of a failure.
 * `conflict`: it is not done, as if somebody else had been quicker. `death-before`, `death-after`: the process ends there.
 * `sleep`: the write is on its way until `wake`.
 */
export type RecordFault = 'refused' | 'answer-lost' | 'conflict' | 'death-before' | 'death-after' | 'sleep';

export class FaultyRecords implements VolumeRecords {
  readonly #store: VolumeRecords;
  readonly #onDeath: () => void;
  #plan: { writesLeft: number; fault: RecordFault } | undefined;
  readonly #sleepers: (() => void)[] = [];
  /** The process is no more: nothing that it still tries has an effect. */
  isDead = false;
  /** The store cannot be reached. */
  isCut = false;

  constructor(store: VolumeRecords, onDeath: () => void = () => undefined) {
    this.#store = store;
    this.#onDeath = onDeath;
  }

  /** Lets one of the next writes fail: the first one when `writesBefore` is 0. */
  plan(writesBefore: number, fault: RecordFault): void {
    this.#plan = { writesLeft: writesBefore, fault };
  }

  forgetPlan(): void {
    this.#plan = undefined;
  }

  /** Lets the writes arrive that are on their way. */
  wake(): void {
    for (const wake of this.#sleepers.splice(0)) wake();
  }

  get(name: string): Promise<VolumeRecord | undefined> {
    return this.#read(() => this.#store.get(name));
  }

  list(): Promise<readonly VolumeRecord[]> {
    return this.#read(() => this.#store.list());
  }

  slots(): Promise<readonly SlotRecord[]> {
    return this.#read(() => this.#store.slots());
  }

  create(record: Omit<VolumeRecord, 'version'>): Promise<VolumeRecord> {
    return this.#write(() => this.#store.create(record));
  }

  update(record: VolumeRecord): Promise<VolumeRecord> {
    return this.#write(() => this.#store.update(record));
  }

  remove(record: VolumeRecord): Promise<void> {
    return this.#write(() => this.#store.remove(record));
  }

  createSlot(record: Omit<SlotRecord, 'version'>): Promise<SlotRecord> {
    return this.#write(() => this.#store.createSlot(record));
  }

  updateSlot(record: SlotRecord): Promise<SlotRecord> {
    return this.#write(() => this.#store.updateSlot(record));
  }

  removeSlot(record: SlotRecord): Promise<void> {
    return this.#write(() => this.#store.removeSlot(record));
  }

  onChange(listener: () => void): () => void {
    return this.#store.onChange(listener);
  }

  async #read<T>(read: () => Promise<T>): Promise<T> {
    this.#requireWay();
    const result = await read();
    this.#requireWay();
    return result;
  }

  async #write<T>(write: () => Promise<T>): Promise<T> {
    this.#requireWay();
    const fault = this.#nextFault();
    if (fault === undefined) return write();
    if (fault === 'sleep') {
      await new Promise<void>((wake) => {
        this.#sleepers.push(wake);
      });
      this.#requireWay();
      return write();
    }
    if (fault === 'refused') throw unreachable();
    if (fault === 'conflict') throw new DriverError('record-conflict', 'somebody was quicker');
    if (fault === 'death-before') return this.#die();
    const result = await write();
    if (fault === 'answer-lost') throw unreachable();
    if (fault === 'death-after') return this.#die();
    return result;
  }

  #nextFault(): RecordFault | undefined {
    if (this.#plan === undefined || this.#plan.writesLeft-- > 0) return undefined;
    const { fault } = this.#plan;
    this.#plan = undefined;
    return fault;
  }

  #requireWay(): void {
    if (this.isDead) throw new DriverError('cancelled', 'this process has ended');
    if (this.isCut) throw unreachable();
  }

  #die(): never {
    this.isDead = true;
    this.#onDeath();
    throw new DriverError('cancelled', 'this process has ended');
  }
}

function unreachable(): DriverError {
  return new DriverError('api-unavailable', 'the store of records did not answer');
}
