// What every cluster of the end-to-end tests is made of: its nodes and addresses. All addresses are local to the network
// namespace of the cluster. Must not know how any of it is started.

export interface NodeShape {
  readonly name: string;
  /** Of the node on the network of all nodes. */
  readonly address: string;
  /** Of the pods that run on it. */
  readonly podRange: string;
}

export const nodes: readonly NodeShape[] = [
  { name: 'node-a', address: '10.88.0.11', podRange: '10.88.1.0/24' },
  { name: 'node-b', address: '10.88.0.12', podRange: '10.88.2.0/24' },
];

export function nodeNamed(wanted: string): NodeShape {
  const node = nodes.find(({ name }) => name === wanted);
  if (node === undefined) throw new Error(`There is no node ${JSON.stringify(wanted)}.`);
  return node;
}

/** The bridge that joins the nodes, and the way of each of them to everything else. */
export const bridge = { name: 'nodes', address: '10.88.0.1' } as const;

/**
 * The first address of the range of services, by which pods find the API server. There is no kube-proxy: the address is
 * simply there, and the server listens on it.
 */
export const apiServer = { address: '10.96.0.1', port: 443, serviceRange: '10.96.0.0/16' } as const;

export const apiServerUrl = `https://${apiServer.address}:${apiServer.port}`;

/** Where a node sees the folder of its cluster, wherever that is outside. */
export const folderInNode = '/run/famfs-csi-e2e';

/** Memory that all nodes see, and nobody outside: where the simulator keeps its devices. */
export const sharedMemory = '/dev/shm';

/** Where a cluster usually has its DNS. This one has none. */
export const dnsAddress = '10.96.0.10';
