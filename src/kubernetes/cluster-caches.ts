// Everything of the API server that the controller reads, kept up to date. Decides nothing.
import type { Logger } from '../observe/logger.ts';
import type { ApiClient } from './api-client.ts';
import { type CsiNodeObject, type NodeObject, slimNode } from './core-objects.ts';
import type { FamfsNode } from './famfs-node.ts';
import type { FamfsPool } from './famfs-pool.ts';
import type { FamfsVolume } from './famfs-volume.ts';
import { ObjectCache } from './object-cache.ts';
import * as resources from './resources.ts';

export class ClusterCaches {
  readonly famfsPools: ObjectCache<FamfsPool>;
  readonly famfsNodes: ObjectCache<FamfsNode>;
  readonly famfsVolumes: ObjectCache<FamfsVolume>;
  readonly nodes: ObjectCache<NodeObject>;
  readonly csiNodes: ObjectCache<CsiNodeObject>;
  #areSynced = false;

  constructor(parts: { client: ApiClient; log: Logger }) {
    this.famfsPools = new ObjectCache({ ...parts, resource: resources.famfsPools });
    this.famfsNodes = new ObjectCache({ ...parts, resource: resources.famfsNodes });
    this.famfsVolumes = new ObjectCache({ ...parts, resource: resources.famfsVolumes });
    this.nodes = new ObjectCache({ ...parts, resource: resources.nodes, keep: slimNode });
    this.csiNodes = new ObjectCache({ ...parts, resource: resources.csiNodes });
  }

  /** Whether everything has been listed once; what comes later is followed. */
  get areSynced(): boolean {
    return this.#areSynced;
  }

  start(): void {
    for (const cache of this.#all()) cache.start();
    this.synced().then(
      () => {
        this.#areSynced = true;
      },
      () => undefined,
    );
  }

  async stop(): Promise<void> {
    await Promise.all(this.#all().map((cache) => cache.stop()));
  }

  /** Settles when everything has been listed. @throws DriverError `cancelled` | `shutting-down` */
  async synced(signal?: AbortSignal): Promise<void> {
    await Promise.all(this.#all().map((cache) => cache.synced(signal)));
  }

  /** By kind: when the API server last gave a sign of life, in milliseconds since 1970. */
  lastSeenMs(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#all().map((cache) => [cache.kind, cache.lastSeenMs]));
  }

  #all() {
    return [this.famfsPools, this.famfsNodes, this.famfsVolumes, this.nodes, this.csiNodes];
  }
}
