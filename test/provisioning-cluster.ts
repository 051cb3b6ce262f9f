// A cluster in memory for tests of provisioning: pools that are full one day, nodes with a maker each that can be lost, killed or
// become master, a controller that can end between any two writes. Holds what must never happen, at the moment when it would.
import assert from 'node:assert/strict';
import { DriverError, type Reason } from '../src/errors.ts';
import { BoundSlots } from '../src/volumes/bound-slots.ts';
import type { PoolUuid } from '../src/volumes/ids.ts';
import type { DeletedVolumes, PoolFacts, Pools } from '../src/volumes/pool-facts.ts';
import { Provisioner } from '../src/volumes/provisioner.ts';
import { tendRecords } from '../src/volumes/record-upkeep.ts';
import { fileNamesOf, type SlotLayout } from '../src/volumes/slot-layout.ts';
import type { SlotMaker } from '../src/volumes/slot-maker.ts';
import { VolumeMaker } from '../src/volumes/volume-maker.ts';
import { slotPath, type VolumeRecord } from '../src/volumes/volume-record.ts';
import type { VolumeRecords } from '../src/volumes/volume-records.ts';
import { losingSlots, type Mistakes } from './cluster-mistakes.ts';
import { slotsInUseFor } from './cluster-reports.ts';
import { FaultyRecords } from './faulty-records.ts';
import { MemoryRecords } from './memory-records.ts';
import { ModelPool } from './model-pool.ts';
import { passTurns } from './turns.ts';

export const unitBytes = 2n << 20n;
const slowTicks = 20;
const pace = {
  firstBackOffMs: 1,
  longestBackOffMs: 4,
  reportIntervalMs: 0,
  roundIntervalMs: 10,
  tellAfterMs: 0,
};

export type Verb = 'makeFiles' | 'zeroFiles';

/** A volume as somebody outside knows it who was told of it. */
export interface ToldVolume {
  readonly name: string;
  readonly volumeId: string;
  readonly poolUuid: PoolUuid;
  readonly slot: string;
  readonly layout: SlotLayout;
}

export interface ClusterNode {
  readonly name: string;
  isReachable: boolean;
  /** What is published here, and what of that the node has reported; undefined when somebody has deleted its report. */
  readonly published: Map<string, ToldVolume>;
  reported: ReadonlyMap<string, ToldVolume> | undefined;
  /** How often it has reported. */
  reports: number;
  records: FaultyRecords;
  maker: VolumeMaker;
}

export interface ClusterOptions {
  readonly pools: readonly {
    readonly units: number;
    readonly logEntries: number;
    readonly deletedVolumes: DeletedVolumes;
  }[];
  readonly nodeCount: number;
  readonly mistakes?: Mistakes;
}

export class ProvisioningCluster implements Pools {
  readonly store: VolumeRecords;
  readonly pools: ModelPool[];
  readonly nodes: readonly ClusterNode[];
  /** Volumes whose creation was answered and whose deletion was not asked for. */
  readonly live = new Map<string, ToldVolume>();
  /** Makes the next calls of a verb fail on a pool. */
  readonly failures = new Map<string, { verb: Verb; reason: Reason; timesLeft: number }>();
  /** How often what was done to it. */
  readonly counts = new Map<string, number>();
  /** What pods have mounted by PersistentVolumes that an administrator made, under names of their own. */
  readonly staticBinds: { readonly poolUuid: string; readonly path: string }[] = [];
  /** UUIDs of pools that are being reset. */
  readonly released = new Set<string>();
  /** UUIDs of pools whose mounts answer nothing. */
  readonly hanging = new Set<string>();
  readonly mistakes: Mistakes;
  readonly #volumeIds = new Set<string>();
  readonly #sleeping = new Set<FaultyRecords>();
  readonly #ending = new Set<Promise<void>>();
  controllerRecords: FaultyRecords;
  provisioner: Provisioner;
  /** Something that must not be, found where nobody could be told. */
  violation: Error | undefined;

  constructor({ pools, nodeCount, mistakes = {} }: ClusterOptions) {
    this.mistakes = mistakes;
    const store = new MemoryRecords();
    this.store = mistakes.slots === 'lost' ? losingSlots(store) : store;
    this.pools = pools.map(
      (pool, index) =>
        new ModelPool({
          ...pool,
          name: `pool-${index}`,
          uuid: `${String(index + 1).repeat(8)}-1111-4111-8111-111111111111` as PoolUuid,
          master: `node-${index % nodeCount}`,
        }),
    );
    this.controllerRecords = new FaultyRecords(this.store);
    this.provisioner = new Provisioner({ records: this.controllerRecords, pools: this });
    this.nodes = Array.from({ length: nodeCount }, (_, index) => {
      const name = `node-${index}`;
      const node = { name, isReachable: true, published: new Map(), reported: new Map(), reports: 0 };
      return { ...node, ...this.#newMaker(name) };
    });
  }

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  pool(uuid: string): ModelPool {
    return this.pools.find((pool) => pool.uuid === uuid) ?? assert.fail(`there is no pool ${uuid}`);
  }

  node(index: number): ClusterNode {
    return this.nodes[index] ?? assert.fail(`there is no node ${index}`);
  }

  async list(): Promise<readonly PoolFacts[]> {
    return this.pools.map((pool) => this.factsOf(pool));
  }

  factsOf(pool: ModelPool): PoolFacts {
    const isMasterThere = this.nodes.some(({ name, isReachable }) => name === pool.master && isReachable);
    return {
      ...{ name: pool.name, uuid: pool.uuid, writes: 'Allowed', deletedVolumes: pool.deletedVolumes },
      sizeBytes: BigInt(pool.units) * unitBytes,
      freeBytes: BigInt(pool.freeUnits) * unitBytes,
      longestFreeRunBytes: BigInt(pool.longestFreeRun) * unitBytes,
      allocationUnitBytes: unitBytes,
      logEntriesFree: pool.logEntries - pool.entriesUsed,
      master: isMasterThere ? pool.master : undefined,
      nodes: this.nodes
        .filter(({ isReachable }) => isReachable)
        .map(({ name }) => ({ name, writers: 'safe' })),
      problem: this.released.has(pool.uuid) ? { reason: 'pool-released', message: pool.name } : undefined,
    };
  }

  async publishedVolumeIds(): Promise<ReadonlySet<string>> {
    if (this.mistakes.published === 'forgotten') return new Set();
    return new Set(this.nodes.flatMap(({ reported }) => [...(reported?.keys() ?? [])]));
  }

  async boundSlots(): Promise<BoundSlots> {
    if (this.mistakes.published === 'forgotten') return new BoundSlots();
    return new BoundSlots(this.staticBinds);
  }

  /** The controller ends, and another begins. What it had on its way arrives later, if it sleeps. */
  restartController(): void {
    this.#endOf(this.controllerRecords);
    this.controllerRecords = new FaultyRecords(this.store);
    this.provisioner = new Provisioner({ records: this.controllerRecords, pools: this });
  }

  /** The next write of the controller gets stuck on its way; it goes on when all wake up. */
  letControllerSleep(writesBefore: number): void {
    this.controllerRecords.plan(writesBefore, 'sleep');
    this.#sleeping.add(this.controllerRecords);
  }

  wakeAll(): void {
    for (const records of this.#sleeping) {
      // A write that is still to fall asleep would be woken by nobody, such as the one that takes back what arrives now.
      records.forgetPlan();
      records.wake();
    }
    this.#sleeping.clear();
  }

  restartMaker(index: number): void {
    const node = this.node(index);
    node.records.isDead = true;
    this.#end(node.maker);
    Object.assign(node, this.#newMaker(node.name));
    node.records.isCut = !node.isReachable;
  }

  /** A process that ended by itself is started again, as its orchestrator does. */
  restartWhatEnded(): void {
    if (this.controllerRecords.isDead) this.restartController();
    for (const [index, { records }] of this.nodes.entries()) if (records.isDead) this.restartMaker(index);
  }

  setReachable(index: number, isReachable: boolean): void {
    const node = this.node(index);
    node.isReachable = isReachable;
    node.records.isCut = !isReachable;
    this.#report(node);
  }

  /** A pod maps the volume and writes everywhere. */
  publish(volume: ToldVolume, index: number): void {
    const node = this.node(index);
    const pool = this.pool(volume.poolUuid);
    for (const file of pool.filesIn(slotPath(volume.slot))) file.isZero = false;
    node.published.set(volume.volumeId, volume);
    this.#report(node);
  }

  unpublish(volumeId: string, index: number): void {
    const node = this.node(index);
    node.published.delete(volumeId);
    this.#report(node);
  }

  /** Somebody deletes the report of a node, which makes another when it is reached and has something to say. */
  forgetReport(index: number): void {
    this.node(index).reported = undefined;
    for (const { maker } of this.nodes) maker.look();
  }

  /** Every node that can be reached reports once more, as it does every minute. */
  beat(): void {
    for (const node of this.nodes) if (node.isReachable) this.#say(node);
  }

  /** Names of the nodes that have no report. */
  missing(): string[] {
    return this.nodes.filter(({ reported }) => reported === undefined).map(({ name }) => name);
  }

  isPublished(volumeId: string): boolean {
    return this.nodes.some(({ published }) => published.has(volumeId));
  }

  /** Somebody was answered that there is this volume. */
  told({ name, spec, status }: VolumeRecord): ToldVolume {
    const { volumeId, poolUuid, slot, layout } = spec;
    const volume: ToldVolume = { name, volumeId, poolUuid, slot, layout };
    const known = this.live.get(volumeId);
    if (known !== undefined) {
      assert.deepEqual(known, volume, 'the same volume is told of in another way');
      return volume;
    }
    assert.equal(status.phase, 'Ready');
    assert.ok(!this.#volumeIds.has(volumeId), `the id ${volumeId} had a life before`);
    this.#volumeIds.add(volumeId);
    for (const other of [...this.live.values(), ...this.#allPublished()])
      assert.ok(!isSameSlot(other, volume), `${name} and ${other.name} share a slot`);
    const pool = this.pool(poolUuid);
    for (const file of fileNamesOf(layout)) {
      const made = pool.files.get(`${slotPath(slot)}/${file}`);
      assert.equal(made && BigInt(made.units) * unitBytes, layout.fileSizeBytes, `${file} of ${name}`);
      assert.ok(made?.isZero, `${file} of ${name} is not zero`);
    }
    this.live.set(volumeId, volume);
    return volume;
  }

  /** What a controller does now and then. */
  tend(): Promise<void> {
    return tendRecords(this.controllerRecords, this);
  }

  async close(): Promise<void> {
    this.wakeAll();
    for (const { maker, records } of this.nodes) {
      records.isDead = true;
      this.#end(maker);
    }
    await Promise.all(this.#ending);
  }

  #endOf(records: FaultyRecords): void {
    if (!this.#sleeping.has(records)) records.isDead = true;
  }

  #end(maker: VolumeMaker): void {
    const ended = maker.stop().finally(() => this.#ending.delete(ended));
    this.#ending.add(ended);
  }

  #report(node: ClusterNode): void {
    if (node.isReachable) this.#say(node);
    for (const { maker } of this.nodes) maker.look();
  }

  #say(node: ClusterNode): void {
    node.reported = new Map(node.published);
    node.reports++;
  }

  #allPublished(): ToldVolume[] {
    return this.nodes.flatMap(({ published }) => [...published.values()]);
  }

  #newMaker(name: string): Pick<ClusterNode, 'records' | 'maker'> {
    const records = new FaultyRecords(this.store);
    const inUse = slotsInUseFor(this, name);
    const maker = new VolumeMaker({
      records,
      maker: this.#slotMaker(name, records),
      node: name,
      // Takes longer than whole works do, as an API server may.
      slotsInUse: async (left) => {
        this.beat();
        const bound = await this.boundSlots();
        const known = await inUse.among(left);
        await passTurns(slowTicks);
        const others = left
          .filter((slot) => bound.has(slot))
          .map(({ slot }) => [slot, 'A pod has it.'] as const);
        return new Map([...known, ...others]);
      },
      log: { info: () => undefined, warn: () => undefined },
      pace,
    });
    maker.start();
    return { records, maker };
  }

  /** What the mounter of a node does for its maker, as long as that lives. */
  #slotMaker(node: string, process: FaultyRecords): SlotMaker {
    const cluster = this;
    const step = async (signal: AbortSignal): Promise<void> => {
      await new Promise(setImmediate);
      signal.throwIfAborted();
      if (process.isDead) throw new DriverError('cancelled', 'this process has ended');
    };
    return {
      makeFiles: async function* (poolUuid, directory, layout, signal) {
        do await step(signal);
        while (cluster.hanging.has(poolUuid));
        const pool = cluster.#workOn(poolUuid, 'makeFiles');
        if (pool.master !== node) throw new DriverError('not-master', `${node} is not`);
        const paths = fileNamesOf(layout).map((file) => `${directory}/${file}`);
        const units = Number(layout.fileSizeBytes / unitBytes);
        const missing = paths.filter((path) => !pool.files.has(path));
        yield { filesMade: paths.length - missing.length, logEntries: pool.entriesUsed };
        const parents = [directory.split('/')[0] ?? '', directory].filter(
          (path) => !pool.directories.has(path),
        );
        cluster.#requireRoom(pool, missing.length, units, parents.length);
        for (const parent of parents) {
          await step(signal);
          pool.makeDirectory(parent);
        }
        for (const [index, path] of missing.entries()) {
          await step(signal);
          if (!pool.files.has(path)) pool.makeFile(path, units);
          yield { filesMade: paths.length - missing.length + index + 1, logEntries: pool.entriesUsed };
        }
      },
      zeroFiles: async function* (poolUuid, directory, names, signal) {
        await step(signal);
        const pool = cluster.#workOn(poolUuid, 'zeroFiles');
        let bytesDone = 0n;
        for (const name of names) {
          await step(signal);
          if (pool.master !== node) throw new DriverError('not-master', `${node} is not`);
          const file = pool.files.get(`${directory}/${name}`);
          if (file === undefined) throw new DriverError('path-not-found', `there is no ${directory}/${name}`);
          cluster.#zero(pool, directory, () => {
            file.isZero = true;
          });
          bytesDone += BigInt(file.units) * unitBytes;
          yield { bytesDone };
        }
      },
    };
  }

  #workOn(poolUuid: string, verb: Verb): ModelPool {
    const failure = this.failures.get(poolUuid);
    if (failure?.verb === verb && failure.timesLeft-- > 0)
      throw new DriverError(failure.reason, `told to fail with ${failure.reason}`);
    return this.pool(poolUuid);
  }

  #requireRoom(pool: ModelPool, count: number, units: number, directories: number): void {
    if (pool.logEntries - pool.entriesUsed < count + directories)
      throw new DriverError('log-full', 'too few entries');
    if (count > 0 && (pool.freeUnits < count * units || pool.longestFreeRun < units))
      throw new DriverError('out-of-space', 'no room');
  }

  /** Zeroing what somebody has is the worst that can happen. */
  #zero(pool: ModelPool, directory: string, zero: () => void): void {
    const owner = [...this.live.values(), ...this.#allPublished()].find(
      ({ poolUuid, slot }) => poolUuid === pool.uuid && slotPath(slot) === directory,
    );
    if (owner !== undefined) {
      this.violation ??= new Error(`the files of ${owner.name} are zeroed while somebody has them`);
      throw this.violation;
    }
    if (this.mistakes.zeroing !== 'forgotten') zero();
  }
}

function isSameSlot(a: ToldVolume, b: ToldVolume): boolean {
  return a.poolUuid === b.poolUuid && a.slot === b.slot;
}
