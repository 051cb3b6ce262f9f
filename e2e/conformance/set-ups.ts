// The ways in which the driver is put before the conformance suite: each a simulated node with a pool that allows writes, the
// real mounter, real mounts.
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { ClusterNode } from '../../test/cluster-node.ts';
import { DriverProcess, sourceProgram } from '../../test/driver-process.ts';
import { mounterArguments } from '../../test/running-mounter.ts';
import type { SimulatedCluster } from '../../test/simulated-cluster.ts';
import { waitUntil } from '../../test/wait-until.ts';
import { ClusterDriver, type Interruption } from './cluster-driver.ts';
import { InterruptingProxy } from './interrupting-proxy.ts';

/** A driver that serves, and how the suite reaches it. */
export interface DriverUnderTest {
  readonly endpoint: string;
  /** Where the Controller service is, when not at the endpoint. */
  readonly controllerEndpoint?: string;
  /** What was done to the driver meanwhile, as a sentence without its end; empty when nothing was. */
  interruptions(): string;
  stop(): Promise<void>;
}

export interface SetUp {
  readonly name: string;
  readonly summary: string;
  start(cluster: SimulatedCluster, node: ClusterNode): Promise<DriverUnderTest>;
}

/** A restart takes a second, and two more until all know of it; at every call the suite would take a quarter of an hour. */
const callsBetweenKills = 5;

export const setUps: readonly SetUp[] = [
  {
    name: 'all-in-one',
    summary: 'controller, node and mounter in one process, records in a file',
    start: async (_cluster, node) => {
      const driver = await startAllInOne(node);
      return {
        endpoint: `unix://${node.places.csiSocket}`,
        interruptions: () => '',
        stop: () => driver.stop(),
      };
    },
  },
  {
    name: 'cluster',
    summary: 'controller, agent, node and mounter as processes of their own, records in a real API server',
    start: async (cluster, node) => {
      const driver = await ClusterDriver.start(cluster, node);
      return {
        endpoint: `unix://${node.places.csiSocket}`,
        controllerEndpoint: `unix://${driver.controllerSocket}`,
        interruptions: () => '',
        stop: () => driver.stop(),
      };
    },
  },
  {
    name: 'cluster-killed',
    summary: `the same, with node plugin, mounter and both in turn killed (SIGKILL) and started again before every ${callsBetweenKills}th call`,
    start: async (cluster, node) => startInterrupted(await ClusterDriver.start(cluster, node), node),
  },
];

/** Both services are reached through proxies, so that it is one row of calls of which every fifth finds processes killed. */
async function startInterrupted(driver: ClusterDriver, node: ClusterNode): Promise<DriverUnderTest> {
  const kinds = ['node', 'mounter', 'both'] as const satisfies readonly Interruption[];
  const done: Record<Interruption, number> = { node: 0, mounter: 0, both: 0 };
  let calls = 0;
  let interrupting: Promise<void> = Promise.resolve();
  const beforeCall = (): Promise<void> => {
    const call = ++calls;
    if (call % callsBetweenKills !== 0) return interrupting;
    const kind = kinds[(call / callsBetweenKills) % kinds.length] ?? 'both';
    done[kind]++;
    interrupting = interrupting.then(() => driver.interrupt(kind));
    return interrupting;
  };
  const through = (name: string, target: string): Promise<InterruptingProxy> =>
    InterruptingProxy.start({
      socket: path.join(node.places.root, `sockets/${name}`),
      ...{ target, beforeCall },
    });
  const proxies = [
    await through('node.proxy', node.places.csiSocket),
    await through('controller.proxy', driver.controllerSocket),
  ];
  return {
    endpoint: `unix://${path.join(node.places.root, 'sockets/node.proxy')}`,
    controllerEndpoint: `unix://${path.join(node.places.root, 'sockets/controller.proxy')}`,
    interruptions: () => {
      const { node: nodeAlone, mounter, both } = done;
      const sum = nodeAlone + mounter + both;
      return `interrupted ${sum} times in ${calls} calls: node plugin killed ${nodeAlone + both} times, mounter ${mounter + both} times, at once ${both} of them`;
    },
    stop: async () => {
      const ends = await Promise.allSettled(proxies.map((proxy) => proxy.close()));
      await driver.stop();
      for (const end of ends) if (end.status === 'rejected') throw end.reason;
    },
  };
}

async function startAllInOne(node: ClusterNode): Promise<DriverProcess> {
  const { places } = node;
  mkdirSync(path.join(places.kubelet, 'pods/sanity'), { recursive: true });
  const [, ...mounterFlags] = mounterArguments(node, { 'allow-writes': 'unsafe', 'log-level': 'info' });
  const driver = new DriverProcess({
    argv: [
      ...[...sourceProgram, 'all-in-one', ...mounterFlags],
      `--node-id=${node.name}`,
      `--csi-socket=${places.csiSocket}`,
      `--records-file=${places.root}/records/volumes.json`,
    ],
    logPath: path.join(places.root, 'all-in-one.log'),
  });
  await waitUntil('the driver serves its pool', () => {
    if (!driver.isRunning) throw new Error(`the driver has ended: ${driver.log}`);
    return driver.log.includes('pool ready') && driver.log.includes('all in one started');
  });
  return driver;
}
