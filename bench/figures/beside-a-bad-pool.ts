// What a healthy pool notices of others on its node that are ill: one that is dead, hung or poisoned, and sixteen that are
// dead. Each state is measured between two looks at the same pools in health. And how soon a caller of the ill one knows,
// and how soon the node says so when nobody calls.
import { setTimeout as sleep } from 'node:timers/promises';
import { nodeClient, publishRequest } from '../csi-calls.ts';
import type { Bench, Figure } from '../figure.ts';
import { runClient } from '../go-client.ts';
import { fromRounds, type Measurement, median } from '../measurement.ts';
import { type CrowdedPool, type PoolCrowd, startCrowd } from '../pool-crowd.ts';
import { targetsFolder } from '../targets.ts';

const timesAlone = 2;
const refusedWithinMs = 1000;
const toldWithinMs = 5000;
const patienceMs = 60_000;
const pollMs = 10;

/** A state of the others that the healthy pool is measured beside. */
interface State {
  readonly name: string;
  /** For the title: "beside …". */
  readonly beside: string;
  readonly begin: (others: readonly CrowdedPool[]) => void;
  readonly end: (others: readonly CrowdedPool[]) => void;
}

function signal(name: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT') {
  return (others: readonly CrowdedPool[]): void => {
    for (const pool of others) process.kill(pool.daemon(), name);
  };
}

const dead: State = {
  name: 'dead',
  beside: 'a dead pool',
  begin: signal('SIGKILL'),
  end: () => undefined,
};
const one: readonly State[] = [
  dead,
  { name: 'hung', beside: 'a hung pool', begin: signal('SIGSTOP'), end: signal('SIGCONT') },
  {
    name: 'poisoned',
    beside: 'a poisoned pool',
    begin: ([pool]) => pool?.poison(true),
    end: ([pool]) => pool?.poison(false),
  },
];

export const besideABadPool: Figure = {
  name: 'beside-a-bad-pool',
  summary: 'publish and unpublish beside pools of the same node that are dead, hung or poisoned',
  async measure(bench) {
    const many = bench.effort.isQuick ? 2 : 16;
    const manyDead = { ...dead, name: `${many}-dead`, beside: `${many} dead pools` };
    return [...(await measureStates(bench, 1, one)), ...(await measureStates(bench, many, [manyDead]))];
  },
};

async function measureStates(
  bench: Bench,
  count: number,
  states: readonly State[],
): Promise<readonly Measurement[]> {
  bench.progress(`starting a driver with ${count + 1} pools`);
  const crowd = await startCrowd(bench, count);
  try {
    await cycleP99s(bench, crowd, Math.ceil(bench.effort.serverWarmUpCycles / bench.effort.cycles));
    const measurements: Measurement[] = [];
    for (const state of states) measurements.push(...(await measureState(bench, crowd, state)));
    return measurements;
  } finally {
    await crowd.driver.stop();
  }
}

async function measureState(bench: Bench, crowd: PoolCrowd, state: State): Promise<readonly Measurement[]> {
  bench.progress(`publish beside ${state.beside}`);
  // A pool that nobody uses is mounted anew as soon as it is dead: with a pod in it, it stays so.
  await hold(crowd, 'publish');
  const before = await cycleP99s(bench, crowd, bench.effort.rounds);
  let ill: readonly number[];
  let refusedMs: number;
  state.begin(crowd.others);
  try {
    refusedMs = await timeToRefusal(crowd);
    ill = await cycleP99s(bench, crowd, bench.effort.rounds);
  } finally {
    state.end(crowd.others);
  }
  await hold(crowd, 'unpublish');
  await untilWell(crowd);
  const alone = [...before, ...(await cycleP99s(bench, crowd, bench.effort.rounds))];
  const usual = median(alone);
  const toldMs = await timeToBeTold(crowd, state);
  return [
    fromRounds(
      {
        name: `publish-p99-beside-${state.name}`,
        title: `Publish + unpublish beside ${state.beside}: p99, times that beside sound ones`,
        unit: '×',
        goal: { kind: 'at-most', value: timesAlone },
      },
      ill.map((p99) => p99 / usual),
    ),
    fromRounds(
      { name: `publish-p99-before-${state.name}`, title: '  beside sound ones: p99', unit: 'ms' },
      alone,
    ),
    fromRounds(
      { name: `publish-p99-ms-beside-${state.name}`, title: `  beside ${state.beside}: p99`, unit: 'ms' },
      ill,
    ),
    {
      name: `refused-by-${state.name}`,
      title: `The first publish of ${state.beside} is refused after`,
      unit: 'ms',
      value: refusedMs,
      goal: { kind: 'at-most', value: refusedWithinMs },
    },
    {
      name: `told-of-${state.name}`,
      title: `The node says of ${state.beside} what it is, though nobody uses it, after`,
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

/** How long it takes until the health of the node names all that became ill. */
async function timeToBeTold(crowd: PoolCrowd, state: State): Promise<number> {
  await hold(crowd, 'publish');
  const client = nodeClient(crowd.driver.socket);
  const beganAtMs = performance.now();
  state.begin(crowd.others);
  try {
    for (;;) {
      const { backendHealth } = await client.calls.nodeGetStorageHealth({}, { timeoutMs: patienceMs });
      const passedMs = performance.now() - beganAtMs;
      const told = backendHealth.map(({ message }) => message).join('\n');
      if (crowd.others.every(({ uuid }) => told.includes(uuid))) return passedMs;
      if (passedMs > patienceMs) throw new Error(`the node says nothing of ${state.beside}`);
      await sleep(pollMs);
    }
  } finally {
    client.close();
    state.end(crowd.others);
    await hold(crowd, 'unpublish');
    await untilWell(crowd);
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
