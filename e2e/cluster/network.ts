// The network of a cluster: a bridge that joins the nodes, each in a network namespace of its own with a bridge of its own for
// its pods. Everything is routed, nothing translated. Must not know what talks over it.
import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { apiServer, bridge, type NodeShape } from './cluster-shape.ts';

const prefixLength = 24;
/** What a node has of the cluster's network, by its name there. */
const interfaceOfNode = 'eth0';

/** In the network namespace of the cluster. */
export function makeClusterNetwork(): void {
  ip('link set lo up');
  ip(`addr add ${apiServer.address}/32 dev lo`);
  ip(`link add ${bridge.name} type bridge`);
  ip(`addr add ${bridge.address}/${prefixLength} dev ${bridge.name}`);
  ip(`link set ${bridge.name} up`);
  forward();
}

/** In the network namespace of the cluster: plugs in the node in whose network namespace a process is. */
export function connectNode({ name, address, podRange }: NodeShape, pid: number): void {
  ip(`link add ${name} type veth peer name ${interfaceOfNode} netns ${pid}`);
  ip(`link set ${name} master ${bridge.name} up`);
  ip(`route replace ${podRange} via ${address}`);
}

/** In the network namespace of the node, which is about to be plugged in. */
export async function makeNodeNetwork({ address }: NodeShape): Promise<void> {
  while (spawnSync('ip', ['link', 'show', interfaceOfNode], { stdio: 'ignore' }).status !== 0)
    await delay(20);
  ip('link set lo up');
  ip(`addr add ${address}/${prefixLength} dev ${interfaceOfNode}`);
  ip(`link set ${interfaceOfNode} up`);
  ip(`route add default via ${bridge.address}`);
  forward();
}

/** For CNI: an address of the node's range for each pod, on a bridge that is the pods' way to everything else. */
export function podNetwork({ podRange }: NodeShape): unknown {
  const ipam = { type: 'host-local', subnet: podRange, routes: [{ dst: '0.0.0.0/0' }] };
  const plugin = { type: 'bridge', bridge: 'pods', isGateway: true, ipam };
  return { cniVersion: '1.0.0', name: 'pods', plugins: [plugin] };
}

function forward(): void {
  writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
}

function ip(args: string): void {
  execFileSync('ip', args.split(' '), { stdio: ['ignore', 'ignore', 'inherit'] });
}
