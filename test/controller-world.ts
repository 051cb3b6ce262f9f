// What surrounds the controller in a test: a real API server with the chart's kinds and rights, and nodes that are objects only.
import assert from 'node:assert/strict';
import { ApiClient } from '../src/kubernetes/api-client.ts';
import type { Condition } from '../src/kubernetes/api-object.ts';
import { conditionOf } from '../src/kubernetes/conditions.ts';
import type { EventObject } from '../src/kubernetes/event-recorder.ts';
import type { FamfsPool, FamfsPoolSpec } from '../src/kubernetes/famfs-pool.ts';
import type { FamfsVolume } from '../src/kubernetes/famfs-volume.ts';
import { KubeAccess } from '../src/kubernetes/kube-access.ts';
import { events, famfsPools, famfsVolumes } from '../src/kubernetes/resources.ts';
import { ApiServer } from './api-server.ts';
import { ClusterNodes } from './cluster-nodes.ts';
import { poolUuid, reportedPool } from './cluster-objects.ts';
import { controllerToken } from './driver-objects.ts';
import { waitUntil } from './wait-until.ts';

/** How long a busy machine may take. */
export const patienceMs = 90_000;
/** What the master of the pool reports of it. */
export const master = reportedPool({ role: 'Master' });

export class ControllerWorld {
  readonly server: ApiServer;
  readonly admin: ApiClient;
  readonly cluster: ClusterNodes;
  /** The rights that the chart gives the controller. */
  readonly kubeconfig: string;

  private constructor(server: ApiServer, kubeconfig: string) {
    this.server = server;
    this.kubeconfig = kubeconfig;
    this.admin = new ApiClient({ access: KubeAccess.fromText(server.kubeconfig()) });
    this.cluster = new ClusterNodes(this.admin);
  }

  static async start(): Promise<ControllerWorld> {
    const server = await ApiServer.start({ own: true });
    await server.installAccess();
    return new ControllerWorld(server, server.kubeconfigOfToken(await controllerToken(server)));
  }

  async stop(): Promise<void> {
    this.admin.close();
    await this.server.stop();
  }

  /** Nothing of a test is left for the next. */
  async clear(): Promise<void> {
    const { admin } = this;
    await this.cluster.removeAll();
    for (const { metadata } of (await admin.list<FamfsVolume>(famfsVolumes)).items) {
      await admin.mergePatch(famfsVolumes, metadata.name, { metadata: { finalizers: null } });
      await admin.remove(famfsVolumes, metadata.name);
    }
    for (const { metadata } of (await admin.list<FamfsPool>(famfsPools)).items) {
      await admin.mergePatch(famfsPools, metadata.name, { metadata: { finalizers: null } });
      await admin.remove(famfsPools, metadata.name);
    }
  }

  async declarePool(name: string, changes: Partial<FamfsPoolSpec> = {}): Promise<void> {
    const spec = {
      fileSystemUUID: poolUuid,
      writes: 'Allowed',
      deletedVolumes: 'Reuse',
      ...changes,
    } as const;
    const object = { apiVersion: 'famfs.io/v1alpha1', kind: 'FamfsPool', metadata: { name }, spec } as const;
    await this.admin.create<FamfsPool>(famfsPools, object);
  }

  async pool(name: string): Promise<FamfsPool> {
    return (await this.admin.get<FamfsPool>(famfsPools, name)) ?? assert.fail(`there is no pool ${name}`);
  }

  /** Waits until a pool passes; what it is instead is in the failure. */
  async untilPool(name: string, what: string, passes: (pool: FamfsPool) => boolean): Promise<FamfsPool> {
    let pool = await this.pool(name);
    const look = async (): Promise<boolean> => {
      pool = await this.pool(name);
      return passes(pool);
    };
    await waitUntil(what, look, patienceMs).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${JSON.stringify(pool, undefined, 1)}`);
    });
    return pool;
  }

  async eventsAbout(name: string): Promise<readonly EventObject[]> {
    const selection = { fieldSelector: `involvedObject.name=${name}` };
    return (await this.admin.list<EventObject>(events, selection)).items;
  }
}

export function poolCondition({ status }: FamfsPool, type: string): Condition | undefined {
  return conditionOf(status?.conditions, type);
}

export function isPoolReady(pool: FamfsPool): boolean {
  return poolCondition(pool, 'Ready')?.status === 'True';
}
