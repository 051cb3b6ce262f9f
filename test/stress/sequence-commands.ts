// What can happen to a node in a model-based sequence, as commands of fast-check: each does it, holds the answers against
// the model, and then everything that is there. Knows no process; the world does.
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import type { Ending } from './driven-node.ts';
import {
  type Answer,
  isUsed,
  type Model,
  type Order,
  type PathName,
  type Place,
  poolCount,
  poolOf,
  type Rules,
  targetCount,
  volumeCount,
} from './publish-model.ts';
import type { PublishWorld } from './publish-world.ts';

export type SequenceCommand = fc.AsyncCommand<Model, PublishWorld>;

/** How a call is settled whose end nobody heard: by the same call again, or by taking the volume away. */
type Settling = 'again' | 'unpublish';

interface Kind<T> {
  readonly name: string;
  readonly arbitrary: fc.Arbitrary<T>;
  readonly weight: number;
  check?(model: Model, input: T): boolean;
  run(model: Model, world: PublishWorld, input: T): Promise<void>;
}

/** How often each kind comes up, against the others; a kind that is not named does not. */
export interface Weights {
  readonly deaths: number;
  readonly restarts: number;
  readonly lateDirectories: number;
}

const place = fc.record({ volume: number(volumeCount), target: number(targetCount) });
const way = fc.record({
  // A path that is not there costs a replay each time it is asked for: much rarer than the others.
  path: fc.oneof(
    { weight: 60, arbitrary: fc.constantFrom<PathName>('base', 'other') },
    { weight: 2, arbitrary: fc.constant<PathName>('file') },
    { weight: 1, arbitrary: fc.constant<PathName>('late') },
  ),
  writable: mostly(false),
  allowExec: mostly(false),
  soleTarget: mostly(false),
});
const order = fc.record({ volume: number(volumeCount), target: number(targetCount), way });
const times = fc.oneof(
  { weight: 2, arbitrary: fc.constant(1) },
  { weight: 1, arbitrary: fc.integer({ min: 2, max: 3 }) },
);
const ending = fc.constantFrom<Ending>('SIGTERM', 'SIGKILL');
const settling = fc.constantFrom<Settling>('again', 'unpublish');

function number(count: number): fc.Arbitrary<number> {
  return fc.integer({ min: 0, max: count - 1 });
}

function mostly(value: boolean): fc.Arbitrary<boolean> {
  return fc.oneof(
    { weight: 4, arbitrary: fc.constant(value) },
    { weight: 1, arbitrary: fc.constant(!value) },
  );
}

/** Sequences of up to so many commands. */
export function sequences(
  rules: Rules,
  weights: Weights,
  maxCommands: number,
): fc.Arbitrary<Iterable<SequenceCommand>> {
  const kinds = kindsOf(rules, weights);
  return fc.commands([fc.oneof(...kinds)], { maxCommands, size: 'max' });
}

function kindsOf(rules: Rules, weights: Weights): fc.WeightedArbitrary<SequenceCommand>[] {
  const calls = new Calls(rules);
  return [
    commandOf<{ order: Order; times: number }>({
      name: 'publish',
      weight: 40,
      arbitrary: fc.record({ order, times }),
      run: async (model, world, input) => {
        for (let time = 0; time < input.times; time++) await calls.publish(model, world, input.order);
      },
    }),
    commandOf<{ place: Place; times: number }>({
      name: 'unpublish',
      weight: 25,
      arbitrary: fc.record({ place, times }),
      run: async (model, world, input) => {
        for (let time = 0; time < input.times; time++) await calls.unpublish(model, world, input.place);
      },
    }),
    commandOf<Order>({
      name: 'publish twice at once',
      weight: 8,
      arbitrary: order,
      run: (model, world, input) => calls.publishTwice(model, world, input),
    }),
    commandOf<{ order: Order; settling: Settling }>({
      name: 'publish and unpublish at once',
      weight: 8,
      arbitrary: fc.record({ order, settling }),
      run: (model, world, input) => calls.publishAgainstUnpublish(model, world, input.order, input.settling),
    }),
    commandOf<{ order: Order; settling: Settling; afterMs: number; byDeadline: boolean }>({
      name: 'publish that is given up',
      weight: 8,
      arbitrary: fc.record({ order, settling, afterMs: fc.nat(6), byDeadline: fc.boolean() }),
      run: (model, world, input) => calls.publishGivenUp(model, world, input),
    }),
    commandOf<{ place: Place; afterMs: number }>({
      name: 'unpublish that is given up',
      weight: 5,
      arbitrary: fc.record({ place, afterMs: fc.nat(4) }),
      run: (model, world, input) => calls.unpublishGivenUp(model, world, input.place, input.afterMs),
    }),
    commandOf<Place>({
      name: 'stats',
      weight: 6,
      arbitrary: place,
      run: (model, world, input) => calls.stats(model, world, input),
    }),
    commandOf<Order>({
      name: 'publish of what the master has just made',
      weight: weights.lateDirectories,
      arbitrary: order.map(({ way: own, ...where }) => ({ ...where, way: { ...own, path: 'late' } })),
      // The node's own daemon is the master's for the first pool.
      check: (model, { volume }) => !model.made.has(poolOf(volume)) && !model.dead.has(poolOf(volume)),
      run: async (model, world, input) => {
        const pool = poolOf(input.volume);
        await world.makeLate(pool);
        model.made.add(pool);
        await calls.publish(model, world, input);
      },
    }),
    commandOf<{ ending: Ending; order: Order; settling: Settling }>({
      name: 'plugin ends and starts',
      weight: weights.restarts,
      arbitrary: fc.record({ ending, order, settling }),
      run: (model, world, input) => calls.throughPluginRestart(model, world, input),
    }),
    commandOf<{ ending: Ending; order: Order; settling: Settling }>({
      name: 'mounter ends and starts',
      weight: weights.restarts,
      arbitrary: fc.record({ ending, order, settling }),
      run: (model, world, input) => calls.throughMounterRestart(model, world, input),
    }),
    commandOf<{ pool: number; order: Order }>({
      name: 'daemon dies',
      weight: weights.deaths,
      arbitrary: fc.record({ pool: number(poolCount), order }),
      check: (model, { pool }) => !model.dead.has(pool),
      run: (model, world, input) => calls.throughDeath(model, world, input),
    }),
  ];
}

function commandOf<T>(kind: Kind<T>): fc.WeightedArbitrary<SequenceCommand> {
  const arbitrary = kind.arbitrary.map((input): SequenceCommand => {
    return {
      check: (model) => kind.check?.(model, input) ?? true,
      run: async (model, world) => {
        world.count(kind.name);
        await kind.run(model, world, input);
        assert.deepEqual(await world.found(), world.expected(model.binds.values()), `after ${kind.name}`);
      },
      toString: () => `${kind.name} ${JSON.stringify(input)}`,
    };
  });
  return { weight: kind.weight, arbitrary };
}

/** The calls of a sequence, with the model held against what they are answered. */
class Calls {
  readonly #rules: Rules;

  constructor(rules: Rules) {
    this.#rules = rules;
  }

  async publish(model: Model, world: PublishWorld, wanted: Order): Promise<void> {
    const expected = this.#rules.publish(model, wanted);
    assert.equal(await patiently(() => world.publish(wanted)), expected, shown('publish', wanted));
    if (expected === 'ok') model.binds.set(wanted.target, wanted);
  }

  async unpublish(model: Model, world: PublishWorld, where: Place): Promise<void> {
    const expected = this.#rules.unpublish(model, where);
    assert.equal(await patiently(() => world.unpublish(where)), expected, shown('unpublish', where));
    if (expected === 'ok') await this.#forget(model, world, where.target);
  }

  async publishTwice(model: Model, world: PublishWorld, wanted: Order): Promise<void> {
    const expected = this.#rules.publish(model, wanted);
    const answers = await Promise.all([world.publish(wanted), world.publish(wanted)]);
    assertAmong(answers, [expected, 'operation-pending'], shown('publish', wanted));
    assert.ok(answers.includes(expected), `one of two is served: ${answers}`);
    await this.publish(model, world, wanted);
  }

  async publishAgainstUnpublish(
    model: Model,
    world: PublishWorld,
    wanted: Order,
    settling: Settling,
  ): Promise<void> {
    const publish = this.#rules.publish(model, wanted);
    const unpublish = this.#rules.unpublish(model, wanted);
    const [published, unpublished] = await Promise.all([world.publish(wanted), world.unpublish(wanted)]);
    const afterwards = this.#rules.publish(this.#without(model, wanted), wanted);
    assertAmong([published], [publish, afterwards, 'operation-pending'], shown('publish', wanted));
    assertAmong([unpublished], [unpublish, 'operation-pending'], shown('unpublish', wanted));
    // Whichever came first, what was at the target before is gone; what was asked for is there or not.
    if (unpublished === 'ok') await this.#forget(model, world, wanted.target);
    await this.#settle(model, world, wanted, settling);
  }

  async publishGivenUp(
    model: Model,
    world: PublishWorld,
    input: { order: Order; settling: Settling; afterMs: number; byDeadline: boolean },
  ): Promise<void> {
    const { order: wanted, afterMs } = input;
    const expected = this.#rules.publish(model, wanted);
    const answer = await (input.byDeadline
      ? world.publish(wanted, { timeoutMs: afterMs })
      : world.publish(wanted, { signal: AbortSignal.timeout(afterMs) }));
    // A plugin that has not heard yet that a pool is mounted anew tells that of it when the time is over.
    const late = input.byDeadline ? (['pool-not-ready'] as const) : [];
    assertAmong([answer], [expected, 'deadline-exceeded', 'cancelled', ...late], shown('publish', wanted));
    await this.#settle(model, world, wanted, input.settling);
  }

  async unpublishGivenUp(model: Model, world: PublishWorld, where: Place, afterMs: number): Promise<void> {
    const expected = this.#rules.unpublish(model, where);
    const answer = await world.unpublish(where, { timeoutMs: afterMs });
    assertAmong([answer], [expected, 'deadline-exceeded', 'cancelled'], shown('unpublish', where));
    await this.unpublish(model, world, where);
  }

  async stats(model: Model, world: PublishWorld, where: Place): Promise<void> {
    const there = model.binds.get(where.target);
    const isThere = there?.volume === where.volume;
    const ofPool = model.dead.has(poolOf(where.volume)) ? 'pool-dead' : 'ok';
    assert.equal(await world.stats(where), isThere ? ofPool : 'not-published', shown('stats', where));
  }

  async throughPluginRestart(
    model: Model,
    world: PublishWorld,
    input: { ending: Ending; order: Order; settling: Settling },
  ): Promise<void> {
    const expected = this.#rules.publish(model, input.order);
    const underway = world.publish(input.order);
    await world.driven.endPlugin(input.ending);
    const lost = ['mounter-unavailable', 'shutting-down', 'cancelled'] as const;
    assertAmong([await underway], [expected, ...lost], shown('publish', input.order));
    assertAmong([await world.unpublish(input.order)], ['mounter-unavailable'], 'without a plugin');
    await world.driven.startPlugin();
    await this.#settle(model, world, input.order, input.settling);
  }

  async throughMounterRestart(
    model: Model,
    world: PublishWorld,
    input: { ending: Ending; order: Order; settling: Settling },
  ): Promise<void> {
    const expected = this.#rules.publish(model, input.order);
    const underway = world.publish(input.order);
    await world.driven.endMounter(input.ending);
    const lost = ['mounter-unavailable', 'shutting-down', 'cancelled'] as const;
    assertAmong([await underway], [expected, ...lost], shown('publish', input.order));
    assertAmong([await world.unpublish(input.order)], ['mounter-unavailable'], 'without a mounter');
    await world.startMounter([...world.pools.keys()].filter((pool) => !model.dead.has(pool)));
    await this.#settle(model, world, input.order, input.settling);
  }

  async throughDeath(
    model: Model,
    world: PublishWorld,
    { pool, order: wanted }: { pool: number; order: Order },
  ): Promise<void> {
    await world.killDaemon(pool);
    if (isUsed(model, pool)) {
      model.dead.add(pool);
      await this.publish(model, world, wanted);
      return;
    }
    // As kubelet does it: again and again until it goes.
    const expected = this.#rules.publish(model, wanted);
    const onTheWay = poolOf(wanted.volume) === pool ? (['pool-dead', 'pool-not-ready'] as const) : [];
    for (;;) {
      const answer = await world.publish(wanted);
      assertAmong([answer], [expected, ...onTheWay], shown('publish', wanted));
      if (answer === expected) break;
      await world.pause();
    }
    if (expected === 'ok') model.binds.set(wanted.target, wanted);
    await world.untilRecovered(pool);
  }

  /** Makes an end of a call whose effect nobody knows, in the world and in the model. */
  async #settle(model: Model, world: PublishWorld, wanted: Order, settling: Settling): Promise<void> {
    if (settling === 'again') await this.publish(model, world, wanted);
    else await this.unpublish(model, world, wanted);
  }

  #without(model: Model, { target }: Place): Model {
    const binds = new Map(model.binds);
    binds.delete(target);
    return { ...model, binds };
  }

  /** Takes a bind out of the model. The last one of a pool whose daemon has died lets the pool recover. */
  async #forget(model: Model, world: PublishWorld, target: number): Promise<void> {
    const gone = model.binds.get(target);
    if (gone === undefined) return;
    model.binds.delete(target);
    const pool = poolOf(gone.volume);
    if (!model.dead.has(pool) || isUsed(model, pool)) return;
    await world.untilRecovered(pool);
    model.dead.delete(pool);
  }
}

/** A call that was given up may still be at work: as the specification says, ABORTED means to come again. */
async function patiently(call: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    const answer = await call();
    if (answer !== 'operation-pending') return answer;
  }
}

function assertAmong(answers: readonly Answer[], allowed: readonly Answer[], what: string): void {
  for (const answer of answers)
    assert.ok(allowed.includes(answer), `${what}: ${answer}, not ${allowed.join(' or ')}`);
}

function shown(call: string, input: Place): string {
  return `${call} ${JSON.stringify(input)}`;
}
