// NodePublishVolume and NodeUnpublishVolume with real mounts through the whole path: against the reference peer,
// with the same client and the same calls, and against the bare system calls.
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Bench, Figure } from '../figure.ts';
import { type Load, runClient, runRawMounts } from '../go-client.ts';
import { interleave } from '../interleave.ts';
import { fromRounds, type Measurement } from '../measurement.ts';
import { warmUpServers } from '../warm-up.ts';

const timesThePeer = 5;

export const publishCycle: Figure = {
  name: 'publish-cycle',
  summary: 'publish and unpublish, against the reference peer and against bare system calls',
  settings: ['simulated', 'self-check', 'hardware'],
  async measure(bench) {
    const measurements: Measurement[] = [];
    await warmUpServers(bench);
    for (const inFlight of [1, 8]) measurements.push(...(await measureAt(bench, inFlight)));
    return measurements;
  },
};

async function measureAt(bench: Bench, inFlight: number): Promise<readonly Measurement[]> {
  const targets = path.join(bench.places.kubeletDir, `pods-${inFlight}`);
  mkdirSync(targets, { recursive: true });
  const { rounds: count, cycles, warmUpCycles: warmUp } = bench.effort;
  const load: Load = { inFlight, warmUp, cycles };
  // So quick that as many cycles as the servers get would be over before anything evens out.
  const rawLoad: Load = { ...load, cycles: cycles * 20 };
  bench.progress(`publish cycle, ${inFlight} in flight: ${count} rounds`);
  const rounds = await interleave(count, {
    driver: () => runClient(bench.driver, 'cycle', targets, load),
    peer: () => runClient(bench.peer, 'cycle', targets, load),
    raw: () => runRawMounts(bench.source, targets, rawLoad),
  });
  const at = `${inFlight} in flight`;
  const names = { driver: bench.driver.name, peer: bench.peer.name, raw: 'system calls' };
  const values = (pick: (round: (typeof rounds)[number]) => number) => rounds.map(pick);
  return [
    fromRounds(
      {
        name: `publish-cycle-against-peer-${inFlight}`,
        title: `Publish + unpublish, ${at}: cycles a second, times the Go peer's`,
        unit: '×',
        goal: { kind: 'at-least', value: timesThePeer },
      },
      values(({ driver, peer }) => driver.perSecond / peer.perSecond),
    ),
    fromRounds(
      {
        name: `publish-cycle-against-system-calls-${inFlight}`,
        title: `Publish + unpublish, ${at}: time, times that of the bare system calls`,
        unit: '×',
      },
      values(({ driver, raw }) => raw.perSecond / driver.perSecond),
    ),
    ...(['driver', 'peer', 'raw'] as const).flatMap((who) => [
      fromRounds(
        { name: `publish-cycles-a-second-${who}-${inFlight}`, title: `  ${names[who]}, ${at}`, unit: '1/s' },
        values((round) => round[who].perSecond),
      ),
      fromRounds(
        { name: `publish-p50-${who}-${inFlight}`, title: `  ${names[who]}, ${at}: publish p50`, unit: 'ms' },
        values((round) => round[who].firstP50Ms),
      ),
      fromRounds(
        { name: `publish-p99-${who}-${inFlight}`, title: `  ${names[who]}, ${at}: publish p99`, unit: 'ms' },
        values((round) => round[who].firstP99Ms),
      ),
    ]),
  ];
}
