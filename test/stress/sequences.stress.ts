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
/** Restarts and deaths take a second each, so only one sequence in twenty has them, and most of those have several. */
const rough: Weights = { deaths: 12, restarts: 10, lateDirectories: 3 };
const longest = 14;
const [calmCount, roughCount] = [effort(1900), effort(100)];

describe('a node, whatever happens to it in whatever order', { skip }, () => {
  let world: PublishWorld;
  before(async () => {
    world = await PublishWorld.open();
  });
  after(() => world?.close());

  function holds(weights: Weights, byRules: Rules = rules) {
    return fc.asyncProperty(sequences(byRules, weights, longest), async (commands) => {
      await world.clear();
      await fc.asyncModelRun(() => ({ model: newModel(), real: world }), commands);
    });
  }

  function tell(t: TestContext): void {
    const counted = [...world.counts].map(([what, count]) => `${count} × ${what}`);
    t.diagnostic(`seed ${seed}; so far ${counted.join(', ')}`);
  }

  it(`answers ${calmCount} sequences of calls as its model does`, async (t) => {
    t.diagnostic(`seed ${seed}`);
    await fc.assert(holds(calm), { seed, numRuns: calmCount });
    tell(t);
  });

  it(`answers ${roughCount} sequences with restarts and deaths of daemons as its model does`, async (t) => {
    t.diagnostic(`seed ${seed}`);
    await fc.assert(holds(rough), { seed, numRuns: roughCount });
    tell(t);
    for (const what of [
      'plugin ends and starts',
      'mounter ends and starts',
      'deaths of daemons',
      'recoveries',
    ]) {
      assert.ok((world.counts.get(what) ?? 0) >= roughCount / 4, `too few: ${what}`);
    }
  });

  it('would notice an answer that is not the model’s', async () => {
    await world.clear();
    const wrong: Rules = { ...rules, unpublish: () => 'ok' };
    assertShrunk(await fc.check(holds(calm, wrong), { seed, numRuns: 200 }));
  });

  it('would notice a mount that stays', async () => {
    const unpublish = world.unpublish;
    world.unpublish = async () => 'ok';
    try {
      assertShrunk(await fc.check(holds(calm), { seed, numRuns: 200 }));
    } finally {
      world.unpublish = unpublish;
    }
  });
});

/** A publish, and an unpublish that is not what it should be: no more is needed to show either mistake. */
function assertShrunk({ failed, counterexample }: fc.RunDetails<[Iterable<SequenceCommand>]>): void {
  const commands = [...(counterexample?.[0] ?? [])].map(String);
  assert.ok(failed && commands.length <= 3, commands.join(', '));
  assert.match(commands.join(), /^publish.*unpublish/);
}
