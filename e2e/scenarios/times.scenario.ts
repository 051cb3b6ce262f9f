// How long things take, as ratios: they say the same on machines of different speed. Printed, and held to nothing.
import assert from 'node:assert/strict';
import { boundClaim } from '../world/claimed-volume.ts';
import { scenario } from '../world/scenario.ts';
import { median } from '../world/stopwatch.ts';
import { storageClass } from '../world/storage-class.ts';
import type { World } from '../world/world.ts';

const rounds = 7;

scenario(
  'a claim is bound, and a pod with its volume starts: how long it takes, in pods without a volume',
  async (world) => {
    const immediate = { volumeBindingMode: 'Immediate' };
    const now = await storageClass(world, 'now', { pool: 'both' }, immediate);
    const node = 'node-a';
    const times = { claim: [] as number[], without: [] as number[], with: [] as number[] };
    for (let round = 0; round < rounds; round++) {
      const claim = `claim-${round}`;
      times.claim.push(
        await timed(
          async () => void (await world.claim(claim, now, '2Mi')),
          () => boundClaim(world, claim),
        ),
      );
      const volumes = [{ claim }];
      times.without.push(await startOf(world, { name: `without-${round}`, node }));
      times.with.push(await startOf(world, { name: `with-${round}`, node, volumes }));
    }
    const [claim, without, withVolume] = [times.claim, times.without, times.with].map(median) as [
      number,
      number,
      number,
    ];
    assert.ok(claim > 0 && without > 0 && withVolume > 0);
    const ratio = (part: number): string => `${(part / without).toFixed(2)} ×`;
    console.log(
      `times on ${node}, medians of ${rounds}: a pod without a volume is ready after ${without.toFixed(0)} ms; ` +
        `with one of famfs after ${ratio(withVolume)} that; a claim is bound after ${ratio(claim)} that`,
    );
  },
  { timeoutMs: 400_000 },
);

async function startOf(world: World, wish: Parameters<World['startPod']>[0]): Promise<number> {
  const took = await timed(
    async () => void (await world.startPod(wish)),
    () => world.podReady(wish.name),
  );
  await world.endPod(wish.name);
  return took;
}

async function timed(begin: () => Promise<void>, end: () => Promise<unknown>): Promise<number> {
  const begunMs = performance.now();
  await begin();
  await end();
  return performance.now() - begunMs;
}
