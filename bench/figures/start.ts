// How long it takes from nothing to serving: the node plugin's start to its first answer, against a Node.js that starts
// and does nothing; and how long a node with 1,000 published volumes cannot publish when its processes are killed and
// started again at once (kubelet's own pause before a restart is not in it).
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { readMountTable } from '../../src/linux/mount-table.ts';
import { probeWhenServed, publishWhenServed } from '../csi-calls.ts';
import type { Driver } from '../driver.ts';
import type { Bench, Figure } from '../figure.ts';
import { runClient } from '../go-client.ts';
import { interleave } from '../interleave.ts';
import { fromRounds, type Measurement } from '../measurement.ts';
import { targetsFolder } from '../targets.ts';

const timesBareNode = 4;
const servingAgainMs = 1000;

export const start: Figure = {
  name: 'start',
  summary: 'from the start of a process to its first answer, and from kill -9 to serving again',
  // In a user namespace the simulator shows views, which a mounter that starts again does not recognise as its pool's.
  needs: ['go', 'root'],
  async measure(bench) {
    const { driver, volumeContext } = await bench.startOwnDriver('start');
    try {
      return [...(await measureStart(bench, driver)), ...(await measureKills(bench, driver, volumeContext))];
    } finally {
      await driver.stop();
    }
  },
};

async function measureStart(bench: Bench, driver: Driver): Promise<readonly Measurement[]> {
  const count = bench.effort.isQuick ? 3 : 15;
  bench.progress(`start to the first Probe: ${count} rounds`);
  await driver.node.stop();
  const rounds = await interleave(count, {
    bare: () => timed(startBareNode),
    driver: async () => {
      const tookMs = await timed(async () => {
        driver.startNode();
        await probeWhenServed(driver.socket);
      });
      await driver.node.stop();
      return tookMs;
    },
  });
  driver.startNode();
  await probeWhenServed(driver.socket);
  return [
    fromRounds(
      {
        name: 'start-to-first-probe',
        title: 'Start of the node plugin to its first Probe, times a Node.js that does nothing',
        unit: '×',
        goal: { kind: 'at-most', value: timesBareNode },
      },
      rounds.map((round) => round.driver / round.bare),
    ),
    fromRounds(
      { name: 'start-to-first-probe-driver', title: '  the node plugin', unit: 'ms' },
      rounds.map((round) => round.driver),
    ),
    fromRounds(
      { name: 'start-bare-node', title: '  a Node.js that does nothing, start to end', unit: 'ms' },
      rounds.map((round) => round.bare),
    ),
  ];
}

async function startBareNode(): Promise<void> {
  const child = spawn(process.execPath, ['-e', '0'], { stdio: 'ignore' });
  await once(child, 'exit');
}

async function timed(work: () => Promise<void>): Promise<number> {
  const begunMs = performance.now();
  await work();
  return performance.now() - begunMs;
}

async function measureKills(
  bench: Bench,
  driver: Driver,
  volumeContext: Readonly<Record<string, string>>,
): Promise<readonly Measurement[]> {
  const mounts = bench.effort.isQuick ? 30 : 1000;
  const targets = targetsFolder(driver.kubeletDir, 'live');
  bench.progress(`publishing ${mounts}`);
  const server = { socket: driver.socket, volumeContext };
  await runClient(server, 'publish', targets, { inFlight: 16, cycles: mounts });
  const fresh = targetsFolder(driver.kubeletDir, 'fresh');
  let number = 0;
  const killed = (end: () => Promise<void>) => async () => {
    const begunMs = performance.now();
    await end();
    const target = path.join(fresh, `${number++}`);
    return (await publishWhenServed(driver.socket, volumeContext, target)) - begunMs;
  };
  bench.progress(`kill -9: ${bench.effort.rounds} rounds`);
  const rounds = await interleave(bench.effort.rounds, {
    'the node plugin': killed(() => killNode(driver)),
    'the mounter': killed(() => killMounter(driver)),
    both: killed(async () => {
      await Promise.all([killNode(driver), killMounter(driver)]);
    }),
  });
  expectMounts(targets, mounts);
  return (['the node plugin', 'the mounter', 'both'] as const).map((who) =>
    fromRounds(
      {
        name: `kill-to-serving-${who.replace('the ', '').replace(' plugin', '')}`,
        title: `kill -9 of ${who} to the next publish, with ${mounts.toLocaleString('en')} volumes published`,
        unit: 'ms',
        goal: { kind: 'at-most', value: servingAgainMs },
      },
      rounds.map((round) => round[who]),
    ),
  );
}

async function killNode(driver: Driver): Promise<void> {
  await driver.node.kill();
  driver.startNode();
}

async function killMounter(driver: Driver): Promise<void> {
  await driver.mounter.kill();
  driver.startMounter();
}

/** What was published has to have outlived all of that, or serving again is no achievement. */
function expectMounts(targets: string, count: number): void {
  const found = readMountTable().filter(({ mountPoint }) => mountPoint.startsWith(`${targets}/`)).length;
  if (found !== count) throw new Error(`of ${count} published volumes ${found} are left after the kills`);
}
