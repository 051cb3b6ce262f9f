// A test of the driver in a real cluster, named by what it proves. Must not know any particular one.
import { test } from 'node:test';
import { inspect } from 'node:util';
import { readGround } from './ground.ts';
import { World } from './world.ts';

export interface ScenarioOptions {
  /** It works at the console of nodes, which a cluster elsewhere does not offer. */
  readonly needs?: 'console';
  readonly timeoutMs?: number;
}

const defaultTimeoutMs = 240_000;

/**
 * Declares a scenario. It gets a namespace of its own; what it makes by its world is removed when it ends, and so is the
 * namespace. When it fails, what a person wants to see of the cluster is printed.
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
  test(name, { skip, timeout: timeoutMs }, async () => {
    const world = await World.begin(ground);
    let failure: unknown;
    try {
      await body(world);
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
