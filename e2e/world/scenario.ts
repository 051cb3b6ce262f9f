// A test of the driver in a real cluster, named by what it proves. Must not know any particular one.
import { test } from 'node:test';
import { inspect } from 'node:util';
import { type Ground, readGround } from './ground.ts';
import { addTimes, timesLine } from './scenario-times.ts';
import { timeWithoutVolume } from './time-without-volume.ts';
import { Timekeeper } from './timekeeper.ts';
import { World } from './world.ts';

export interface ScenarioOptions {
  /** It works at the console of nodes, which a cluster elsewhere does not offer. */
  readonly needs?: 'console';
  readonly timeoutMs?: number;
}

const defaultTimeoutMs = 240_000;
/** For pods without a volume, which come before the scenario. */
const timekeepingMs = 120_000;

/**
 * Declares a scenario. It gets a namespace of its own; what it makes by its world is removed when it ends, and so is the
 * namespace. When it fails, what a person wants to see of the cluster is printed. Where times are wanted, they are printed when it
 * has done what it does.
 */
export function scenario(
  name: string,
  body: (world: World) => Promise<void>,
  { needs, timeoutMs = defaultTimeoutMs }: ScenarioOptions = {},
): void {
  const ground = readGround();
  const skip =
    needs === 'console' && ground.cluster === undefined
      ? 'it needs the console of the nodes, and this cluster is not on this machine'
      : false;
  const timeout = timeoutMs + (ground.timesFile === undefined ? 0 : timekeepingMs);
  test(name, { skip, timeout }, async () => {
    const world = await World.begin(ground);
    let failure: unknown;
    try {
      await withTimes(name, world, ground, body);
    } catch (error) {
      failure = error;
      console.error(`✘ ${name} (namespace ${world.namespace}): ${inspect(error)}\n${await world.troubles()}`);
    }
    try {
      await world.end();
    } catch (error) {
      failure ??= error;
      console.error(`✘ ${name} leaves things behind: ${inspect(error)}\n${await world.troubles()}`);
    }
    if (failure !== undefined) throw failure;
  });
}

/** Does what the scenario does, and tells how long its pods and claims took if anybody wants to know. */
async function withTimes(
  name: string,
  world: World,
  { timesFile }: Ground,
  body: (world: World) => Promise<void>,
): Promise<void> {
  if (timesFile === undefined) return body(world);
  const timekeeper = new Timekeeper(world.api, await timeWithoutVolume(world));
  world.timekeeper = timekeeper;
  await body(world);
  const times = { name, ...timekeeper.times };
  console.log(timesLine(times));
  addTimes(timesFile, times);
}
