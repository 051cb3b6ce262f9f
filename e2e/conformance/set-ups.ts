// The ways in which the driver is put before the conformance suite: each a simulated node with a pool that allows writes, the
// real mounter, real mounts.
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { ClusterNode } from '../../test/cluster-node.ts';
import { DriverProcess, sourceProgram } from '../../test/driver-process.ts';
import { mounterArguments } from '../../test/running-mounter.ts';
import type { SimulatedCluster } from '../../test/simulated-cluster.ts';
import { waitUntil } from '../../test/wait-until.ts';
import { ClusterDriver } from './cluster-driver.ts';
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

/** A restart takes about a second; at every call the suite would take ten minutes. */
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
    name: 'all-in-one-killed',
    summary: `the same, killed (SIGKILL) and started again before every ${callsBetweenKills}th call`,
    start: async (_cluster, node) => {
      let driver = await startAllInOne(node);
      let kills = 0;
      const socket = path.join(node.places.root, 'sockets/interrupting.sock');
      const proxy = await InterruptingProxy.start({
        socket,
        target: node.places.csiSocket,
        beforeCall: async (index) => {
          if (index % callsBetweenKills !== callsBetweenKills - 1) return;
          await driver.kill();
          kills++;
          driver = await startAllInOne(node);
        },
      });
      return {
        endpoint: `unix://${socket}`,
        interruptions: () => `killed ${kills} times in ${proxy.calls} calls`,
        stop: async () => {
          await proxy.close();
          await driver.stop();
        },
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
];

let lives = 0;

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
    logPath: path.join(places.root, `all-in-one-${++lives}.log`),
  });
  await waitUntil('the driver serves its pool', () => {
    if (!driver.isRunning) throw new Error(`the driver has ended: ${driver.log}`);
    return driver.log.includes('pool ready') && driver.log.includes('all in one started');
  });
  return driver;
}
