// Objects of a cluster as tests need them, complete but for what a test is about; and a cache of them that changes when told.
import type { ApiObject } from '../src/kubernetes/api-object.ts';
import type { NodeObject } from '../src/kubernetes/core-objects.ts';
import type {
  FamfsNode,
  FamfsNodeStatus,
  ReportedDevice,
  ReportedPool,
} from '../src/kubernetes/famfs-node.ts';
import type { FamfsPool } from '../src/kubernetes/famfs-pool.ts';

export const poolUuid = '11111111-1111-4111-8111-111111111111';
export const otherUuid = '22222222-2222-4222-8222-222222222222';
const apiVersion = 'famfs.io/v1alpha1';

/** A pool that adopts poolUuid. */
export function famfsPool(name: string, changes: Partial<Omit<FamfsPool, 'metadata'>> = {}): FamfsPool {
  return {
    apiVersion,
    kind: 'FamfsPool',
    metadata: { name, uid: `uid-of-${name}`, generation: 1 },
    spec: { fileSystemUUID: poolUuid, writes: 'Allowed', deletedVolumes: 'Reuse' },
    ...changes,
  };
}

/** What a node says of a pool that it has mounted as a client. */
export function reportedPool(changes: Partial<ReportedPool> = {}): ReportedPool {
  return {
    ...{ uuid: poolUuid, device: 'dax0.0', phase: 'Ready', role: 'Client', mode: 'fuse', simulated: true },
    ...{ size: '4Gi', free: '3Gi', longestFreeRun: '2Gi', allocationUnit: '2Mi' },
    ...{ logEntriesUsed: 10, logEntriesTotal: 100, logEntriesReplayed: 10, writers: 'safe', held: false },
    ...{ binds: 0, boundPaths: [], ...changes },
  };
}

export function reportedDevice(changes: Partial<ReportedDevice> = {}): ReportedDevice {
  return { name: 'dax0.0', path: '/dev/dax0.0', size: '4Gi', fileSystemUUID: poolUuid, ...changes };
}

/** What a node reports that is as it should be. */
export function nodeStatus(changes: Partial<FamfsNodeStatus> = {}): FamfsNodeStatus {
  const lastTransitionTime = '2026-01-01T00:00:00Z';
  return {
    ...{ systemUUID: poolUuid, driverVersion: '1.0.0', kernelRelease: '6.8.0', mode: 'fuse' },
    ...{ launcher: 'systemd', famfsLocation: 'host', allowWrites: 'safe', allowFormat: 'never' },
    ...{ devices: [reportedDevice()], pools: [reportedPool()], publishedVolumeIDs: [], formats: [] },
    reportedAt: new Date().toISOString(),
    conditions: [
      { type: 'Ready', status: 'True', reason: 'MounterServes', message: 'It serves.', lastTransitionTime },
    ],
    ...changes,
  };
}

export function famfsNode(name: string, changes: Partial<FamfsNodeStatus> = {}): FamfsNode {
  return { apiVersion, kind: 'FamfsNode', metadata: { name }, status: nodeStatus(changes) };
}

export function nodeObject(name: string, isReady = true, labels: Record<string, string> = {}): NodeObject {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels },
    status: { conditions: [{ type: 'Ready', status: isReady ? 'True' : 'Unknown' }] },
  };
}

/** The cache of a test: shows what was put into it, when it was. */
export class ToldCache<T extends ApiObject> {
  readonly #objects = new Map<string, T>();
  readonly #listeners = new Set<(name: string) => void>();

  constructor(objects: readonly T[] = []) {
    for (const object of objects) this.put(object);
  }

  put(object: T): void {
    this.#objects.set(object.metadata.name, object);
    this.#tell(object.metadata.name);
  }

  drop(name: string): void {
    if (this.#objects.delete(name)) this.#tell(name);
  }

  get(name: string): T | undefined {
    return this.#objects.get(name);
  }

  list(): readonly T[] {
    return [...this.#objects.values()];
  }

  async synced(): Promise<void> {}

  onChange(listener: (name: string) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #tell(name: string): void {
    for (const listener of this.#listeners) listener(name);
  }
}
