// What reading a mapped file costs by the path that a pod sees, against the path of the same file in the pool's own
// mount. A bind adds no work to a mapping, so nothing but one times the cost is right.
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { buildGoProgram } from '../../tools/go-program.ts';
import type { Bench, Figure } from '../figure.ts';
import { fromRounds, type Measurement } from '../measurement.ts';
import { runMeasuring } from '../run-measuring.ts';

/** One round of touch-mapping: the same work by either path. */
interface Pair {
  readonly first: Times;
  readonly second: Times;
}

interface Times {
  readonly sequentialMs: number;
  readonly randomMs: number;
}

const goal = { kind: 'near', value: 1, tolerance: 0.03 } as const;

export const mapping: Figure = {
  name: 'mapping',
  summary: 'reading a mapped file by its published path, against its path in the pool',
  settings: ['simulated', 'self-check', 'hardware'],
  async measure(bench) {
    const target = path.join(bench.places.kubeletDir, 'mapping', 'mount');
    mkdirSync(path.dirname(target), { recursive: true });
    callClient(bench, '-publish', target);
    try {
      return await measureMapping(bench, path.join(target, 'data'));
    } finally {
      callClient(bench, '-unpublish', target);
    }
  },
};

async function measureMapping(bench: Bench, published: string): Promise<readonly Measurement[]> {
  const { mappingRounds, touches } = bench.effort;
  bench.progress(`mapping: ${mappingRounds} rounds`);
  const pairs = await runMeasuring(
    buildGoProgram({ module: 'bench', package: 'touch-mapping' }),
    [
      ...['-first', published, '-second', path.join(bench.source, 'data')],
      ...['-rounds', `${mappingRounds}`, '-touches', `${touches}`],
    ],
    isPairs,
  );
  const ratio = (part: keyof Times) => pairs.map(({ first, second }) => first[part] / second[part]);
  return [
    fromRounds(
      {
        name: 'mapping-sequential',
        title: 'Map and read front to back: time by the published path, times that in the pool',
        unit: '×',
        goal,
      },
      ratio('sequentialMs'),
    ),
    fromRounds(
      {
        name: 'mapping-random',
        title: 'Read a mapping all over: time by the published path, times that in the pool',
        unit: '×',
        goal,
      },
      ratio('randomMs'),
    ),
  ];
}

function callClient({ driver }: Bench, verb: '-publish' | '-unpublish', target: string): void {
  const context = Object.entries(driver.volumeContext).flatMap(([key, value]) => [
    '-context',
    `${key}=${value}`,
  ]);
  const client = buildGoProgram({ module: 'bench', package: 'client' });
  execFileSync(client, ['-socket', driver.socket, ...context, verb, target], { stdio: 'pipe' });
}

function isPairs(value: unknown): value is readonly Pair[] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((pair) => isTimes(pair?.first) && isTimes(pair?.second))
  );
}

function isTimes(value: unknown): value is Times {
  if (typeof value !== 'object' || value === null) return false;
  const { sequentialMs, randomMs }: Partial<Record<keyof Times, unknown>> = value;
  return Number.isFinite(sequentialMs) && Number.isFinite(randomMs);
}
