// A node that starts all its pods at once (110 is what kubelet allows by default): how long the slowest of that many
// publishes takes when none waits for another to be asked for.
import type { Figure } from '../figure.ts';
import { runClient } from '../go-client.ts';
import { interleave } from '../interleave.ts';
import { fromRounds } from '../measurement.ts';
import { targetsFolder } from '../targets.ts';
import { warmUpServers } from '../warm-up.ts';

const pods = 110;
const p99LimitMs = 100;

export const burst: Figure = {
  name: 'burst',
  summary: `${pods} publishes at once`,
  settings: ['simulated', 'hardware'],
  async measure(bench) {
    await warmUpServers(bench);
    const targets = targetsFolder(bench.places.kubeletDir, 'burst');
    const load = { inFlight: pods, cycles: pods };
    bench.progress(`${pods} publishes at once: ${bench.effort.rounds} rounds`);
    const rounds = await interleave(bench.effort.rounds, {
      driver: () => runClient(bench.driver, 'burst', targets, load),
      peer: () => runClient(bench.peer, 'burst', targets, load),
    });
    const names = { driver: bench.driver.name, peer: bench.peer.name };
    return (['driver', 'peer'] as const).flatMap((who) => [
      fromRounds(
        {
          name: who === 'driver' ? 'burst-p99' : 'burst-p99-peer',
          title: `${pods} publishes at once, ${names[who]}: p99`,
          unit: 'ms',
          ...(who === 'driver' ? { goal: { kind: 'at-most', value: p99LimitMs } as const } : {}),
        },
        rounds.map((round) => round[who].firstP99Ms),
      ),
      fromRounds(
        { name: `burst-p50-${who}`, title: `  ${names[who]}: p50`, unit: 'ms' },
        rounds.map((round) => round[who].firstP50Ms),
      ),
    ]);
  },
};
