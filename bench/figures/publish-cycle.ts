// NodePublishVolume and NodeUnpublishVolume with real mounts through the whole path: against the reference peer,
// with the same client and the same calls, and against the bare system calls.
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { buildGoProgram } from '../../tools/go-program.ts';
import type { Bench, Figure } from '../figure.ts';
import { interleave } from '../interleave.ts';
import { fromRounds, type Measurement } from '../measurement.ts';
import { runMeasuring } from '../run-measuring.ts';
import type { Subject } from '../subject.ts';

/** What client and raw-mounts print (bench/internal/measure). */
interface CycleResult {
  readonly perSecond: number;
  readonly cycleP50Ms: number;
  readonly cycleP99Ms: number;
  readonly firstP50Ms: number;
  readonly firstP99Ms: number;
}

const timesThePeer = 5;

export const publishCycle: Figure = {
  name: 'publish-cycle',
  summary: 'publish and unpublish, against the reference peer and against bare system calls',
  async measure(bench) {
    const measurements: Measurement[] = [];
    await warmUp(bench);
    for (const inFlight of [1, 8]) measurements.push(...(await measureAt(bench, inFlight)));
    return measurements;
  },
};

/** A node plugin lives for weeks; what is measured is not its first seconds. Both servers do the same. */
async function warmUp(bench: Bench): Promise<void> {
  const cycles = bench.effort.serverWarmUpCycles;
  if (cycles === 0) return;
  bench.progress(`publish cycle: ${cycles} cycles of either server to warm up`);
  const targets = path.join(bench.places.kubeletDir, 'warm-up');
  mkdirSync(targets, { recursive: true });
  const load = ['-targets', targets, ...loadFlags(bench, 8, cycles)];
  for (const subject of [bench.driver, bench.peer]) await runClient(subject, load);
}

async function measureAt(bench: Bench, inFlight: number): Promise<readonly Measurement[]> {
  const targets = path.join(bench.places.kubeletDir, `pods-${inFlight}`);
  mkdirSync(targets, { recursive: true });
  const load = ['-targets', targets, ...loadFlags(bench, inFlight, bench.effort.cycles)];
  // So quick that as many cycles as the servers get would be over before anything evens out.
  const rawLoad = ['-targets', targets, ...loadFlags(bench, inFlight, bench.effort.cycles * 20)];
  bench.progress(`publish cycle, ${inFlight} in flight: ${bench.effort.rounds} rounds`);
  const rounds = await interleave(bench.effort.rounds, {
    driver: () => runClient(bench.driver, load),
    peer: () => runClient(bench.peer, load),
    raw: () => runRaw(bench.source, rawLoad),
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

function loadFlags({ effort }: Bench, inFlight: number, cycles: number): readonly string[] {
  return ['-in-flight', `${inFlight}`, '-warm-up', `${effort.warmUpCycles}`, '-cycles', `${cycles}`];
}

function runClient({ socket, volumeContext }: Subject, load: readonly string[]): Promise<CycleResult> {
  const context = Object.entries(volumeContext).flatMap(([key, value]) => ['-context', `${key}=${value}`]);
  const client = buildGoProgram({ module: 'bench', package: 'client' });
  return runMeasuring(client, ['-socket', socket, ...context, ...load], isCycleResult);
}

function runRaw(source: string, load: readonly string[]): Promise<CycleResult> {
  const program = buildGoProgram({ module: 'bench', package: 'raw-mounts' });
  return runMeasuring(program, ['-source', source, ...load], isCycleResult);
}

function isCycleResult(value: unknown): value is CycleResult {
  if (typeof value !== 'object' || value === null) return false;
  const fields = ['perSecond', 'cycleP50Ms', 'cycleP99Ms', 'firstP50Ms', 'firstP99Ms'] as const;
  const numbers: Partial<Record<string, unknown>> = value;
  return fields.every((field) => Number.isFinite(numbers[field]));
}
