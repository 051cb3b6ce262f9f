// A cluster in memory as an API server shows it: what its nodes report, and what is known of its pools; and a node's agent that
// asks these. Knows nothing of how the cluster changes.
import { SlotsInUse } from '../src/agent/slots-in-use.ts';
import type { ApiObject } from '../src/kubernetes/api-object.ts';
import type { FamfsNode, FamfsNodeStatus } from '../src/kubernetes/famfs-node.ts';
import type { FamfsPool } from '../src/kubernetes/famfs-pool.ts';
import { famfsPools } from '../src/kubernetes/resources.ts';
import type { MounterCalls } from '../src/mounter/client.ts';
import { slotPath } from '../src/volumes/volume-record.ts';
import { famfsNode, famfsPool, reportedPool } from './cluster-objects.ts';
import type { ModelPool } from './model-pool.ts';
import type { ClusterNode, ProvisioningCluster } from './provisioning-cluster.ts';

/** What the API server has of the nodes, all but those without a report. */
export function nodeReportsOf(
  cluster: ProvisioningCluster,
  changesOf: (node: ClusterNode) => Partial<FamfsNodeStatus> = () => ({}),
): FamfsNode[] {
  return cluster.nodes.flatMap((node) => {
    const { name, reported, reports } = node;
    if (reported === undefined) return [];
    const pools = cluster.pools.map(({ uuid, master }) => {
      const bound = [...reported.values()].filter(({ poolUuid }) => poolUuid === uuid);
      const boundPaths = bound.map(({ slot }) => slotPath(slot));
      const held = cluster.released.has(uuid);
      const role = master === name ? 'Master' : 'Client';
      return reportedPool({ uuid, role, held, boundPaths, binds: boundPaths.length });
    });
    const reportedAt = new Date(Date.now() + reports).toISOString();
    const told = { pools, publishedVolumeIDs: [...reported.keys()], reportedAt, allowFormat: 'reset' };
    return famfsNode(name, { ...told, ...changesOf(node) });
  });
}

/** The FamfsPool of a pool, as its controller keeps it. */
export function poolObjectOf(cluster: ProvisioningCluster, { name, uuid, master }: ModelPool): FamfsPool {
  const nodesAway = cluster.missing().map((each) => ({ name: each, message: 'has no report' }));
  const format = { nodeName: master, device: 'dax0.0' };
  return famfsPool(name, {
    spec: { format, writes: 'Allowed', deletedVolumes: 'Keep' },
    status: { fileSystemUUID: uuid, nodesAway: cluster.mistakes.missing === 'forgotten' ? [] : nodesAway },
  });
}

/** What the agent of a node asks, of this cluster. */
export function slotsInUseFor(cluster: ProvisioningCluster, name: string): SlotsInUse {
  const isForgotten = cluster.mistakes.published === 'forgotten';
  const client = {
    list: async <T extends ApiObject>({ plural }: { readonly plural: string }) => {
      const pools = cluster.pools.map((pool) => poolObjectOf(cluster, pool));
      const nodes = isForgotten ? [] : nodeReportsOf(cluster);
      const items = plural === famfsPools.plural ? pools : nodes;
      return { items: items as unknown as T[], resourceVersion: '1' };
    },
  };
  const listBinds = async () => ({
    binds: [...(isForgotten ? [] : cluster.nodes)]
      .filter((node) => node.name === name)
      .flatMap(({ published }) => [...published.values()])
      .map(({ volumeId, poolUuid, slot }) => ({ volumeId, poolUuid, path: slotPath(slot) })),
  });
  const mounter = { calls: { listBinds } as unknown as MounterCalls };
  return new SlotsInUse({ client, mounter, node: name });
}
