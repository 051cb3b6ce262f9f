// Model-based sequences over the whole node path: whatever kubelet, an admin's restart or a dying daemon does in whatever
// order, each call is answered as a simple model says and leaves what it says. A failing sequence is made smaller and
// printed with the seed that brings it back: `npm run stress -- sequences --seed S`.
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import * as fc from 'fast-check';
import { assertNothingLeaked, enterPrivateMounts } from '../private-mounts.ts';
import { effort, seed } from './effort.ts';
import { newModel, type Rules, rules } from './publish-model.ts';
import { PublishWorld } from './publish-world.ts';
import { type SequenceCommand, sequences, type Weights } from './sequence-commands.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

const calm: Weights = { deaths: 0, restarts: 0, lateDirectories: 1 };
/** Restarts and deaths take a second each, so few sequences have them, and most of those have several. */
const rough: Weights = { deaths: 16, restarts: 12, lateDirectories: 3 };
const longest = 14;
/** Nodes that know nothing of each other, driven at the same time. */
const worldCount = 2;
const roughInTheGate = 60;
const [calmCount, roughCount] = [effort(2000 - roughInTheGate), effort(roughInTheGate)];

/** A failure is made smaller for so long at most; a run that is too slow for its number of sequences fails. */
const limits = { interruptAfterTimeLimit: Math.max(240_000, effort(240_000)), markInterruptAsFailure: true };

describe('a node, whatever happens to it in whatever order', { skip }, () => {
  let worlds: PublishWorld[] = [];
  before(async () => {
    worlds = await Promise.all(Array.from({ length: worldCount }, () => PublishWorld.open()));
  });
  after(async () => {
    for (const world of worlds) await world.close();
  });

  /** Throws so many sequences at the nodes, each node with dice of its own. */
  async function throwSequences(t: TestContext, weights: Weights, count: number): Promise<void> {
    const ofEach = Math.ceil(count / worldCount);
    await Promise.all(
      worlds.map((world, index) =>
        fc.assert(holds(world, weights), { seed: seed + index, numRuns: ofEach, ...limits }),
      ),
    );
    t.diagnostic(
      `seed ${seed}; so far ${[...counted()].map(([what, times]) => `${times} × ${what}`).join(', ')}`,
    );
  }

  function counted(): Map<string, number> {
    const sum = new Map<string, number>();
    for (const [what, times] of worlds.flatMap(({ counts }) => [...counts])) {
      sum.set(what, (sum.get(what) ?? 0) + times);
    }
    return sum;
  }

  function theFirst(): PublishWorld {
    return worlds[0] ?? assert.fail('there is no node');
  }

  it(`answers ${calmCount} sequences of calls as its model does`, (t) => throwSequences(t, calm, calmCount));

  it(`answers ${roughCount} sequences with restarts and deaths of daemons as its model does`, async (t) => {
    await throwSequences(t, rough, roughCount);
    for (const what of [
      'plugin ends and starts',
      'mounter ends and starts',
      'deaths of daemons',
      'recoveries',
    ]) {
      const times = counted().get(what) ?? 0;
      if (roughCount >= roughInTheGate) assert.ok(times >= roughCount / 4, `${what}: ${times} times only`);
    }
  });

  it('would notice an answer that is not the model’s', async () => {
    const wrong: Rules = { ...rules, unpublish: () => 'ok' };
    assertShrunk(
      await fc.check(holds(theFirst(), calm, wrong), { seed, numRuns: 200 }),
      publishThenUnpublish,
    );
  });

  it('would notice a mount that stays', async () => {
    const world = theFirst();
    const { unpublish } = world;
    world.unpublish = async () => 'ok';
    try {
      assertShrunk(await fc.check(holds(world, calm), { seed, numRuns: 200 }), publish);
    } finally {
      world.unpublish = unpublish;
    }
  });
});

function holds(world: PublishWorld, weights: Weights, byRules: Rules = rules) {
  return fc.asyncProperty(sequences(byRules, weights, longest), async (commands) => {
    await world.clear();
    await fc.asyncModelRun(() => ({ model: newModel(), real: world }), commands);
  });
}

/** A publish, and an unpublish that is not what it should be: no more is needed to show either mistake. */
const publishThenUnpublish = /^publish.*unpublish/;
/**
 * Where mounts stay, the unpublish may be that of the sequence before, which failed while a publish that was given up was still at
 * work, and so left its mount to this one.
 */
const publish = /^publish/;

function assertShrunk(
  { failed, counterexample }: fc.RunDetails<[Iterable<SequenceCommand>]>,
  shown: RegExp,
): void {
  const commands = [...(counterexample?.[0] ?? [])].map(String);
  assert.ok(failed && commands.length <= 3, commands.join(', '));
  assert.match(commands.join(), shown);
}
