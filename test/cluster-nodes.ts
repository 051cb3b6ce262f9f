// Nodes of a cluster as an API server knows them, without any node: the Node, its CSINode, and what its agent would report. The
// master among them makes volumes in memory, by the driver's own code.
import { FamfsNodeObject } from '../src/agent/famfs-node-object.ts';
import type { ApiClient } from '../src/kubernetes/api-client.ts';
import type { CsiNodeObject, NodeObject, Taint } from '../src/kubernetes/core-objects.ts';
import type { FamfsVolume } from '../src/kubernetes/famfs-volume.ts';
import { ObjectCache } from '../src/kubernetes/object-cache.ts';
import { csiNodes, famfsNodes, famfsVolumes, nodes } from '../src/kubernetes/resources.ts';
import { KubernetesVolumeRecords } from '../src/kubernetes/volume-records.ts';
import { silentLogger } from '../src/observe/logger.ts';
import type { SlotMaker } from '../src/volumes/slot-maker.ts';
import { VolumeMaker } from '../src/volumes/volume-maker.ts';
import { nodeStatus } from './cluster-objects.ts';

export interface NodeOptions {
  readonly labels?: Readonly<Record<string, string>>;
  readonly taints?: readonly Taint[];
  /** Names of the CSI drivers that are registered on it. */
  readonly drivers?: readonly string[];
}

export class ClusterNodes {
  readonly #client: ApiClient;
  readonly #made = new Set<string>();
  readonly #reports = new Map<string, FamfsNodeObject>();

  constructor(client: ApiClient) {
    this.#client = client;
  }

  async add(name: string, { labels = {}, taints = [], drivers = [] }: NodeOptions = {}): Promise<void> {
    this.#made.add(name);
    const metadata = { name, labels };
    const object = { apiVersion: 'v1', kind: 'Node', metadata, spec: { taints } };
    await this.#client.create<NodeObject>(nodes, object);
    await this.setReady(name, true);
    await this.#client.create<CsiNodeObject>(csiNodes, {
      ...{ apiVersion: 'storage.k8s.io/v1', kind: 'CSINode', metadata: { name } },
      spec: { drivers: [] },
    });
    if (drivers.length > 0) await this.register(name, drivers);
  }

  async setReady(name: string, isReady: boolean): Promise<void> {
    const conditions = [{ type: 'Ready', status: isReady ? 'True' : 'Unknown' }];
    await this.#client.mergePatch(nodes, name, { status: { conditions } }, { subresource: 'status' });
  }

  /** What kubelet does when a driver registers. */
  async register(name: string, drivers: readonly string[]): Promise<void> {
    const listed = drivers.map((driver) => ({ name: driver, nodeID: name, topologyKeys: [] }));
    await this.#client.mergePatch(csiNodes, name, { spec: { drivers: listed } });
  }

  /** What the agent does. */
  async report(name: string, changes: Parameters<typeof nodeStatus>[0] = {}): Promise<void> {
    const place = this.#reports.get(name) ?? new FamfsNodeObject(this.#client, name);
    this.#reports.set(name, place);
    await place.write(nodeStatus(changes), new AbortController().signal);
  }

  async remove(name: string): Promise<void> {
    this.#reports.delete(name);
    for (const kind of [nodes, csiNodes, famfsNodes]) await this.#client.remove(kind, name);
  }

  async removeAll(): Promise<void> {
    for (const name of this.#made) await this.remove(name);
    this.#made.clear();
  }
}

/** What carries out the records that name a node, with a famfs that is only counted. Fails when told to. */
export class MemoryMaster implements SlotMaker {
  /** What the next call fails with. */
  failure: Error | undefined;
  /** How many files every slot has; slots are never made twice. */
  readonly slots = new Map<string, number>();
  readonly #cache: ObjectCache<FamfsVolume>;
  readonly #maker: VolumeMaker;

  constructor(client: ApiClient, node: string) {
    const log = silentLogger;
    const fieldSelector = `spec.nodeName=${node}`;
    this.#cache = new ObjectCache<FamfsVolume>({ client, resource: famfsVolumes, log, fieldSelector });
    const records = new KubernetesVolumeRecords({ client, cache: this.#cache, log });
    const slotsInUse = async () => new Map<string, string>();
    this.#maker = new VolumeMaker({ records, maker: this, node, slotsInUse, log });
    this.#cache.start();
    this.#maker.start();
  }

  async stop(): Promise<void> {
    await this.#maker.stop();
    await this.#cache.stop();
  }

  async *makeFiles(
    _pool: string,
    directory: string,
    layout: Parameters<SlotMaker['makeFiles']>[2],
  ): ReturnType<SlotMaker['makeFiles']> {
    if (this.failure !== undefined) throw this.failure;
    this.slots.set(directory, layout.fileCount);
    yield { filesMade: layout.fileCount, logEntries: 2 + layout.fileCount };
  }

  async *zeroFiles(): ReturnType<SlotMaker['zeroFiles']> {
    yield { bytesDone: 0n };
  }
}
