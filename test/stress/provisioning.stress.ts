// Model-based sequences over provisioning: whatever an orchestrator asks for while controllers and makers end, writes are lost,
// nodes vanish and pools are full, everything ends as a simple model says. A failing sequence is made smaller and printed with
// the seed that brings it back: `npm run stress -- provisioning --seed S`.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import type { DeletedVolumes } from '../../src/volumes/pool-facts.ts';
import type { Mistakes } from '../cluster-mistakes.ts';
import { ProvisioningCluster } from '../provisioning-cluster.ts';
import { effort, seed } from './effort.ts';
import { nodeCount, provisioningSequences } from './provisioning-commands.ts';
import { assertAsKnown, bringToAnEnd } from './provisioning-end.ts';
import { newModel } from './provisioning-model.ts';

const count = effort(2000);
const longest = 30;
/** Clusters that know nothing of each other, driven at the same time: each waits now and then. */
const laneCount = 40;
/** A failure is made smaller for so long at most; a run that is too slow for its number of sequences fails. */
const limits = { interruptAfterTimeLimit: Math.max(240_000, effort(240_000)), markInterruptAsFailure: true };

const deletedVolumes = fc.constantFrom<DeletedVolumes>('Reuse', 'Reuse', 'Keep');
const options = fc.record({
  pools: fc.tuple(
    fc.record({ units: fc.constantFrom(6, 20, 60), logEntries: fc.constantFrom(12, 60), deletedVolumes }),
    fc.record({ units: fc.constantFrom(6, 20, 60), logEntries: fc.constantFrom(12, 60), deletedVolumes }),
  ),
});

describe('provisioning, whatever happens in whatever order', () => {
  it(`ends ${count} sequences as a simple model says`, async (t) => {
    const counts = new Map<string, number>();
    const lanes = Array.from({ length: laneCount }, (_, lane) =>
      fc.assert(holds({}, counts), {
        seed: seed + lane,
        numRuns: Math.ceil(count / laneCount),
        ...limits,
      }),
    );
    await Promise.all(lanes);
    t.diagnostic(`seed ${seed}; ${[...counts].map(([what, times]) => `${times} × ${what}`).join(', ')}`);
  });

  it('would notice a slot that is handed out without being zeroed', () =>
    assertNoticed({ zeroing: 'forgotten' }));

  it('would notice that what nodes have published is forgotten', () =>
    assertNoticed({ published: 'forgotten' }));

  it('would notice that a pool is reset with volumes in it', () => assertNoticed({ reset: 'careless' }));

  it('would notice that the slot of a deleted volume is lost', () => assertNoticed({ slots: 'lost' }));
});

async function assertNoticed(mistakes: Mistakes): Promise<void> {
  const { failed } = await fc.check(holds(mistakes), { seed, numRuns: 300, endOnFailure: true });
  assert.ok(failed);
}

function holds(mistakes: Mistakes, counts = new Map<string, number>()) {
  return fc.asyncProperty(options, provisioningSequences(longest), async ({ pools }, commands) => {
    const cluster = new ProvisioningCluster({ pools, nodeCount, mistakes });
    const model = newModel();
    try {
      await fc.asyncModelRun(() => ({ model, real: cluster }), commands);
      await bringToAnEnd(model, cluster);
      await assertAsKnown(model, cluster);
    } finally {
      await cluster.close();
      for (const [what, times] of cluster.counts) counts.set(what, (counts.get(what) ?? 0) + times);
    }
  });
}
