// The one topology key of a pool (design 3), as nodes register it, volumes carry it and the controller takes it away.

const keyPrefix = 'topology.famfs.io/pool-';

/** The key of a pool; its value is always "true". */
export function topologyKey(poolUuid: string): string {
  return keyPrefix + poolUuid;
}

/** The UUID of the pool that a key is of; undefined for any other key. */
export function poolOfTopologyKey(key: string): string | undefined {
  return key.startsWith(keyPrefix) ? key.slice(keyPrefix.length).toLowerCase() : undefined;
}
