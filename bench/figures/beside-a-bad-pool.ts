// What a healthy pool notices of others on its node that are ill: one, in each way in which a pool can be, and sixteen that are
// dead. Each illness is measured between two looks at the same pools in health. And how soon a caller of the ill one knows,
// and how soon the node says so when nobody calls.
import { setTimeout as sleep } from 'node:timers/promises';
import { camelCaseReason } from '../../src/csi/health.ts';
import { nodeClient, publishRequest } from '../csi-calls.ts';
import type { Bench, Figure } from '../figure.ts';
import { runClient } from '../go-client.ts';
import { fromRounds, type Measurement, median } from '../measurement.ts';
import { type CrowdedPool, type PoolCrowd, startCrowd } from '../pool-crowd.ts';
import { dead, type Illness, illnesses } from '../pool-illnesses.ts';
import { targetsFolder } from '../targets.ts';

const timesAlone = 2;
const refusedWithinMs = 1000;
const toldWithinMs = 5000;
const patienceMs = 60_000;
const pollMs = 10;

export const besideABadPool: Figure = {
  name: 'beside-a-bad-pool',
  summary: 'publish and unpublish beside pools of the same node that are ill',
  async measure(bench) {
    const many = bench.effort.isQuick ? 2 : 16;
    const manyDead = { ...dead, name: `${many}-dead`, beside: `${many} dead pools` };
    return [...(await measureAll(bench, 1, illnesses)), ...(await measureAll(bench, many, [manyDead]))];
  },
};

async function measureAll(
  bench: Bench,
  count: number,
  wanted: readonly Illness[],
): Promise<readonly Measurement[]> {
  bench.progress(`starting a driver with ${count + 1} pools`);
  const crowd = await startCrowd(bench, count);
  try {
    await cycleP99s(bench, crowd, Math.ceil(bench.effort.serverWarmUpCycles / bench.effort.cycles));
    const measurements: Measurement[] = [];
    for (const illness of wanted) measurements.push(...(await measureOne(bench, crowd, illness)));
    return measurements;
  } finally {
    await crowd.driver.stop();
  }
}

async function measureOne(bench: Bench, crowd: PoolCrowd, illness: Illness): Promise<readonly Measurement[]> {
  bench.progress(`publish beside ${illness.beside}`);
  const { rounds } = bench.effort;
  const before = await cycleP99s(bench, crowd, rounds);
  const { refusedMs, ill } = await whileIll(crowd, illness, async () => ({
    refusedMs: await timeToRefusal(crowd),
    ill: await cycleP99s(bench, crowd, rounds),
  }));
  const alone = [...before, ...(await cycleP99s(bench, crowd, rounds))];
  const usual = median(alone);
  const toldMs = await whileIll(crowd, illness, () => timeToBeTold(crowd, illness));
  return [
    fromRounds(
      {
        name: `publish-p99-beside-${illness.name}`,
        title: `Publish + unpublish beside ${illness.beside}: p99, times that beside sound ones`,
        unit: '×',
        goal: { kind: 'at-most', value: timesAlone },
      },
      ill.map((p99) => p99 / usual),
    ),
    fromRounds(
      { name: `publish-p99-before-${illness.name}`, title: '  beside sound ones: p99', unit: 'ms' },
      alone,
    ),
    fromRounds(
      { name: `publish-p99-ms-beside-${illness.name}`, title: `  beside ${illness.beside}: p99`, unit: 'ms' },
      ill,
    ),
    {
      name: `refused-by-${illness.name}`,
      title: `The first publish of ${illness.beside} is refused after`,
      unit: 'ms',
      value: refusedMs,
      goal: { kind: 'at-most', value: refusedWithinMs },
    },
    {
      name: `told-of-${illness.name}`,
      title: `The node says of ${illness.beside} what it is, though nobody uses it, after`,
      unit: 'ms',
      value: toldMs,
      goal: { kind: 'at-most', value: toldWithinMs },
    },
  ];
}

/** The p99 of whole cycles on the healthy pool, of each round. */
async function cycleP99s(bench: Bench, { driver, sound }: PoolCrowd, rounds: number): Promise<number[]> {
  const targets = targetsFolder(driver.kubeletDir, 'sound');
  const server = { socket: driver.socket, volumeContext: sound.volumeContext };
  const load = { inFlight: 1, warmUp: bench.effort.warmUpCycles, cycles: bench.effort.cycles * 4 };
  const found: number[] = [];
  for (let round = 0; round < rounds; round++)
    found.push((await runClient(server, 'cycle', targets, load)).cycleP99Ms);
  return found;
}

/** Makes the other pools ill, does the work, and waits until all are well again. */
async function whileIll<T>(crowd: PoolCrowd, illness: Illness, work: () => Promise<T>): Promise<T> {
  // A pool that nobody uses is mounted anew as soon as it is dead: with a pod in it, it stays so.
  if (illness.unused !== true) await hold(crowd, 'publish');
  const endings: (() => Promise<void> | void)[] = [];
  let done: T;
  try {
    for (const pool of crowd.others) endings.push(await illness.begin(pool));
    done = await work();
  } finally {
    for (const end of endings) await end();
  }
  if (illness.unused !== true) await hold(crowd, 'unpublish');
  await untilWell(crowd);
  return done;
}

/** Publishes each of the other pools once, for good, or takes that away. */
async function hold({ driver, others }: PoolCrowd, work: 'publish' | 'unpublish'): Promise<void> {
  for (const { uuid, volumeContext } of others) {
    const targets = targetsFolder(driver.kubeletDir, `held-${uuid}`);
    await runClient({ socket: driver.socket, volumeContext }, work, targets, { inFlight: 1, cycles: 1 });
  }
}

async function timeToRefusal(crowd: PoolCrowd): Promise<number> {
  const [pool] = crowd.others;
  const beganAtMs = performance.now();
  const isPublished = pool !== undefined && (await tryPublish(crowd, pool));
  if (isPublished) throw new Error('a pool that is ill was published');
  return performance.now() - beganAtMs;
}

/** How long it takes until the health of the node names all that became ill, and how. */
async function timeToBeTold(crowd: PoolCrowd, { beside, reason }: Illness): Promise<number> {
  const client = nodeClient(crowd.driver.socket);
  const beganAtMs = performance.now();
  try {
    for (;;) {
      const { backendHealth } = await client.calls.nodeGetStorageHealth({}, { timeoutMs: patienceMs });
      const passedMs = performance.now() - beganAtMs;
      const told = backendHealth.filter((entry) => entry.reason === camelCaseReason(reason));
      const isTold = ({ uuid }: CrowdedPool): boolean => told.some(({ message }) => message.includes(uuid));
      if (crowd.others.every(isTold)) return passedMs;
      if (passedMs > patienceMs) throw new Error(`the node says nothing of ${beside}`);
      await sleep(pollMs);
    }
  } finally {
    client.close();
  }
}

/** Until the mounter has mounted again what needs it. */
async function untilWell(crowd: PoolCrowd): Promise<void> {
  const deadlineMs = performance.now() + patienceMs * 2;
  for (const pool of crowd.others) {
    while (!(await tryPublish(crowd, pool)))
      if (performance.now() > deadlineMs) throw new Error(`pool ${pool.uuid} does not get well`);
  }
}

/** Whether a publish at a fresh target goes through; it is taken away again. */
async function tryPublish({ driver }: PoolCrowd, { uuid, volumeContext }: CrowdedPool): Promise<boolean> {
  const target = `${targetsFolder(driver.kubeletDir, `tried-${uuid}`)}/target`;
  const request = publishRequest(volumeContext, target);
  const client = nodeClient(driver.socket);
  try {
    await client.calls.nodePublishVolume(request, { timeoutMs: patienceMs });
    await client.calls.nodeUnpublishVolume(
      { volumeId: request.volumeId, targetPath: target },
      { timeoutMs: patienceMs },
    );
    return true;
  } catch {
    return false;
  } finally {
    client.close();
  }
}
