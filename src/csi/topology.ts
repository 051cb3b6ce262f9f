// Which pools a node tells the orchestrator about, and which ones a topology names: one key per pool, never the node's
// name (design 3).
import type { NodeState } from '../mounter/client.ts';
import { poolPhase } from '../mounter/client.ts';
import { poolOfTopologyKey, topologyKey } from '../volumes/pool-topology.ts';

/** The keys of all pools whose memory this node sees, sorted. A pool that cannot be mounted now is still seen. */
export function topologyKeys(state: NodeState): string[] {
  const seen = state.pools.filter(
    ({ phase }) => phase !== poolPhase.POOL_PHASE_LOST && phase !== poolPhase.POOL_PHASE_UNKNOWN,
  );
  return [...new Set(seen.map(({ uuid }) => topologyKey(uuid)))].sort();
}

/** The UUIDs of the pools that a topology names; empty for one of other drivers' keys only. */
export function poolsOfTopology(segments: Readonly<Record<string, string>>): string[] {
  return Object.entries(segments).flatMap(([key, value]) =>
    value === 'true' ? (poolOfTopologyKey(key) ?? []) : [],
  );
}
