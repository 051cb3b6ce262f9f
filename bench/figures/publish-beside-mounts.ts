// What a publish costs on a node where much is published already. The kernel's own calls may become dearer with the
// number of mounts, so they are measured at each number as well: the driver answers for the rest, its own part. Minutes lie
// between the numbers, in which a machine that is shared changes its speed: the own part is counted in calls that do nothing.
import type { Bench, Figure } from '../figure.ts';
import { runClient, runRawMounts } from '../go-client.ts';
import { interleave } from '../interleave.ts';
import { fromRounds, type Measurement, median } from '../measurement.ts';
import { targetsFolder } from '../targets.ts';
import { warmUpServers } from '../warm-up.ts';

const timesEmpty = 1.2;
const thorough = [0, 1000, 10_000];
const quick = [0, 30, 100];

/** One round beside a number of mounts: what a cycle took, in milliseconds. */
interface Round {
  readonly driver: number;
  readonly raw: number;
  /** A call that does nothing, which no mount makes dearer. */
  readonly call: number;
}

export const publishBesideMounts: Figure = {
  name: 'publish-beside-mounts',
  summary: 'publish and unpublish on a node where 0, 1,000 and 10,000 volumes are published',
  settings: ['simulated', 'hardware'],
  async measure(bench) {
    const counts = bench.effort.isQuick ? quick : thorough;
    await warmUpServers(bench);
    const found = await climb(bench, counts);
    const empty = median(ownParts(found.get(0)));
    return counts.flatMap((count) => describe(count, found.get(count) ?? [], empty));
  },
};

/** Measures on the way up and on the way down, so that what drifts meanwhile drifts for all numbers alike. */
async function climb(bench: Bench, counts: readonly number[]): Promise<Map<number, Round[]>> {
  const found = new Map<number, Round[]>(counts.map((count) => [count, []]));
  const { rounds } = bench.effort;
  const measureAt = async (count: number, times: number) => {
    bench.progress(`publish beside ${count} mounts: ${times} rounds`);
    found.get(count)?.push(...(await measureBeside(bench, times)));
  };
  const steps = counts.map((count, index) => ({ count, added: count - (counts[index - 1] ?? 0) }));
  const published: typeof steps = [];
  try {
    for (const [index, step] of steps.entries()) {
      await move(bench, 'publish', step);
      published.push(step);
      await measureAt(step.count, index === steps.length - 1 ? 2 * rounds : rounds);
    }
  } finally {
    for (const step of published.toReversed()) {
      if (step.count !== counts.at(-1)) await measureAt(step.count, rounds);
      await move(bench, 'unpublish', step);
    }
  }
  return found;
}

interface Step {
  readonly count: number;
  readonly added: number;
}

async function move(bench: Bench, work: 'publish' | 'unpublish', { count, added }: Step): Promise<void> {
  if (added === 0) return;
  bench.progress(`${work === 'publish' ? 'publishing' : 'unpublishing'} ${added}`);
  const targets = targetsFolder(bench.places.kubeletDir, `beside-${count}`);
  await runClient(bench.driver, work, targets, { inFlight: 16, cycles: added });
}

async function measureBeside(bench: Bench, times: number): Promise<Round[]> {
  const { cycles, warmUpCycles: warmUp } = bench.effort;
  const targets = targetsFolder(bench.places.kubeletDir, 'beside');
  const load = { inFlight: 1, warmUp, cycles };
  const rounds = await interleave(times, {
    driver: () => runClient(bench.driver, 'cycle', targets, load),
    raw: () => runRawMounts(bench.source, targets, { ...load, cycles: cycles * 20 }),
    call: () => runClient(bench.driver, 'capabilities', targets, { ...load, cycles: cycles * 4 }),
  });
  return rounds.map(({ driver, raw, call }) => ({
    ...{ driver: driver.cycleP50Ms, raw: raw.cycleP50Ms, call: call.cycleP50Ms },
  }));
}

function ownParts(rounds: readonly Round[] = []): number[] {
  return rounds.map(({ driver, raw, call }) => (driver - raw) / call);
}

function describe(count: number, rounds: readonly Round[], empty: number): readonly Measurement[] {
  const beside = `beside ${count.toLocaleString('en')} mounts`;
  const at = count.toLocaleString('en');
  const ownPart: Measurement = fromRounds(
    {
      name: `publish-own-part-beside-${count}`,
      title: `Publish + unpublish ${beside}: the driver's own part, times that beside none`,
      unit: '×',
      goal: { kind: 'at-most', value: timesEmpty },
    },
    ownParts(rounds).map((own) => own / empty),
  );
  const cycle = (who: keyof Round, name: string) =>
    fromRounds(
      {
        name: `publish-cycle-${who}-beside-${count}`,
        title: `  ${name}, a cycle ${beside}: p50`,
        unit: 'ms',
        curve: { of: name, at },
      },
      rounds.map((round) => round[who]),
    );
  return [
    ...(count === 0 ? [] : [ownPart]),
    ...[
      cycle('driver', 'famfs-csi'),
      cycle('raw', 'system calls'),
      cycle('call', 'a call that does nothing'),
    ],
  ];
}
