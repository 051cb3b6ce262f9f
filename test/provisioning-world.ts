// A model of pools and of the master that makes files in them, in memory: for tests of provisioning, which decides on what it
// is told. What a master really does is tried with the mounter (src/mounter/file-making.test.ts) and by csi-sanity.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DriverError, type Reason } from '../src/errors.ts';
import { BoundSlots } from '../src/volumes/bound-slots.ts';
import { FileRecords } from '../src/volumes/file-records.ts';
import type { PoolUuid } from '../src/volumes/ids.ts';
import type { PoolFacts, Pools } from '../src/volumes/pool-facts.ts';
import { Provisioner } from '../src/volumes/provisioner.ts';
import { type SlotLayout, sizeOf } from '../src/volumes/slot-layout.ts';
import type { SlotMaker } from '../src/volumes/slot-maker.ts';
import { VolumeMaker } from '../src/volumes/volume-maker.ts';

export const unit = 2n << 20n;
export const poolA = '11111111-1111-4111-8111-111111111111' as PoolUuid;
export const poolB = '22222222-2222-4222-8222-222222222222' as PoolUuid;

export class ProvisioningWorld implements Pools, SlotMaker {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'provisioning-'));
  readonly pools = new Map<string, PoolFacts>();
  readonly published = new Set<string>();
  /** What is in the pools: directories with their layouts, and whether their bytes are zero. */
  readonly slots = new Map<string, { layout: SlotLayout; isZero: boolean }>();
  /** Fails the next calls of a verb. */
  readonly failures = new Map<'makeFiles' | 'zeroFiles', Reason>();
  records: FileRecords;
  provisioner: Provisioner;
  #maker: VolumeMaker;

  constructor() {
    this.addPool('a', poolA, 512n);
    this.records = this.#open();
    this.provisioner = new Provisioner({ records: this.records, pools: this });
    this.#maker = this.#newMaker();
  }

  addPool(name: string, uuid: PoolUuid, units: bigint, changes: Partial<PoolFacts> = {}): void {
    this.pools.set(uuid, {
      ...{ name, uuid, writes: 'Allowed', deletedVolumes: 'Reuse', master: 'node-1', problem: undefined },
      ...{ sizeBytes: units * unit, freeBytes: units * unit, longestFreeRunBytes: units * unit },
      ...{ allocationUnitBytes: unit, logEntriesFree: 1000, nodes: [{ name: 'node-1', writers: 'safe' }] },
      ...changes,
    });
  }

  /** The processes end and begin anew, with what is on disk. */
  async restart(): Promise<void> {
    await this.#maker.stop();
    this.records = this.#open();
    this.provisioner = new Provisioner({ records: this.records, pools: this });
    this.#maker = this.#newMaker();
  }

  async close(): Promise<void> {
    await this.#maker.stop();
    rmSync(this.folder, { recursive: true });
  }

  async list(): Promise<readonly PoolFacts[]> {
    return [...this.pools.values()];
  }

  async publishedVolumeIds(): Promise<ReadonlySet<string>> {
    return this.published;
  }

  async boundSlots(): Promise<BoundSlots> {
    return new BoundSlots();
  }

  async *makeFiles(poolUuid: string, directory: string, layout: SlotLayout) {
    this.#perhapsFail('makeFiles');
    const key = `${poolUuid}/${directory}`;
    if (!this.slots.has(key)) this.#take(poolUuid, layout);
    this.slots.set(key, this.slots.get(key) ?? { layout, isZero: false });
    yield { filesMade: layout.fileCount, logEntries: this.slots.size * 2 };
  }

  async *zeroFiles(poolUuid: string, directory: string) {
    this.#perhapsFail('zeroFiles');
    const slot = this.slots.get(`${poolUuid}/${directory}`);
    if (slot === undefined) throw new DriverError('path-not-found', `there is no ${directory}`);
    slot.isZero = true;
    yield { bytesDone: sizeOf(slot.layout) };
  }

  #take(poolUuid: string, layout: SlotLayout): void {
    const pool = this.pools.get(poolUuid);
    if (pool === undefined) throw new DriverError('pool-not-found', poolUuid);
    const freeBytes = pool.freeBytes - sizeOf(layout);
    if (freeBytes < 0n) throw new DriverError('out-of-space', 'full');
    this.pools.set(poolUuid, { ...pool, freeBytes, longestFreeRunBytes: freeBytes });
  }

  #perhapsFail(verb: 'makeFiles' | 'zeroFiles'): void {
    const reason = this.failures.get(verb);
    if (reason !== undefined) throw new DriverError(reason, `told to fail with ${reason}`);
  }

  #open(): FileRecords {
    return new FileRecords(path.join(this.folder, 'volumes.json'));
  }

  #newMaker(): VolumeMaker {
    const maker = new VolumeMaker({
      records: this.records,
      maker: this,
      node: 'node-1',
      slotsInUse: async (left) =>
        new Map(
          left
            .filter(({ formerVolumeId }) => this.published.has(formerVolumeId))
            .map(({ slot }) => [slot, 'A pod has it.']),
        ),
      log: { info: () => undefined, warn: () => undefined },
    });
    maker.start();
    return maker;
  }
}
