// The memory that many pods take to use the same data: each is a process of its own that maps the file by a target of
// its own and reads all of it. The kernel divides a page among all who map it (PSS), so the sum counts each once.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { buildGoProgram } from '../../tools/go-program.ts';
import type { Bench, Figure } from '../figure.ts';
import { runClient } from '../go-client.ts';
import type { Measurement } from '../measurement.ts';
import { mappingPssBytes, pageTableBytes } from '../process-memory.ts';
import { lastingTargets, targetsFolder } from '../targets.ts';

const timesTheData = 1.05;

export const sharedMemory: Figure = {
  name: 'shared-memory',
  summary: 'memory of 1, 10 and 100 pods that map the same data',
  settings: ['simulated', 'hardware'],
  async measure(bench) {
    const measurements: Measurement[] = [];
    for (const pods of bench.effort.isQuick ? [1, 5] : [1, 10, 100])
      measurements.push(...(await measureWith(bench, pods)));
    return measurements;
  },
};

async function measureWith(bench: Bench, pods: number): Promise<readonly Measurement[]> {
  const targets = targetsFolder(bench.places.kubeletDir, `sharing-${pods}`);
  const load = { inFlight: Math.min(pods, 16), cycles: pods };
  bench.progress(`memory of ${pods} pods that share data`);
  await runClient(bench.driver, 'publish', targets, load);
  const files = lastingTargets(targets, pods).map((target) => path.join(target, 'data'));
  const holders: ChildProcess[] = [];
  try {
    for (const file of files) holders.push(await holdMapping(file));
    return describe(pods, statSync(path.join(bench.source, 'data')).size, files, holders);
  } finally {
    for (const holder of holders) await end(holder);
    await runClient(bench.driver, 'unpublish', targets, load);
  }
}

/** Starts a process that maps a file; resolves when it has read all of it. */
async function holdMapping(file: string): Promise<ChildProcess> {
  const program = buildGoProgram({ module: 'bench', package: 'hold-mapping' });
  const child = spawn(program, [file], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [said] = await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(() => ['ended instead']),
  ]);
  if (!`${said}`.startsWith('mapped ')) throw new Error(`${program} ${file}: ${said}`);
  return child;
}

async function end(holder: ChildProcess): Promise<void> {
  const exited = once(holder, 'exit');
  holder.stdin?.end();
  await exited;
}

function describe(
  pods: number,
  dataBytes: number,
  files: readonly string[],
  holders: readonly ChildProcess[],
): readonly Measurement[] {
  const read = (name: string) =>
    holders.map(({ pid }, index) => ({
      text: readFileSync(`/proc/${pid}/${name}`, 'utf8'),
      file: files[index],
    }));
  const pss = sum(read('smaps').map(({ text, file }) => mappingPssBytes(text, file ?? '')));
  const tables = sum(read('status').map(({ text }) => pageTableBytes(text)));
  const who = pods === 1 ? '1 pod' : `${pods} pods`;
  return [
    {
      name: `shared-memory-${pods}`,
      title: `Memory of ${who} with the same ${dataBytes / 2 ** 20} MiB mapped, times the data`,
      unit: '×',
      value: pss / dataBytes,
      goal: { kind: 'at-most', value: timesTheData },
    },
    {
      name: `shared-memory-page-tables-${pods}`,
      title: `  page tables of ${who}, which nobody shares`,
      unit: 'MiB',
      value: tables / 2 ** 20,
    },
  ];
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
