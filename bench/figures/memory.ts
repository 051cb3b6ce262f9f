// The memory of the driver's processes: just started, when they have published and unpublished for a while, and when they have had
// time to give back what they did not need for long. What never comes back is what a leak would be.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { commandLine, listProcesses } from '../../src/linux/processes.ts';
import type { Driver } from '../driver.ts';
import type { Bench, Figure } from '../figure.ts';
import { runClient } from '../go-client.ts';
import type { Measurement } from '../measurement.ts';
import { type ProcessMemory, parseSmapsRollup } from '../process-memory.ts';
import { targetsFolder } from '../targets.ts';

const nodeLimitMib = 80;
/** V8 gives back what a busy time took when some seconds have passed in which little was asked of it. */
const restSeconds = 20;

/** A process of the driver, by a name that goes into those of measurements. */
type Who = 'node' | 'mounter' | 'worker';

const titles: Readonly<Record<Who, string>> = {
  node: 'node plugin',
  mounter: 'mounter',
  worker: "mounter's worker of a pool",
};

export const memory: Figure = {
  name: 'memory',
  summary: "memory of the driver's processes at rest and after much work",
  async measure(bench) {
    const { driver, volumeContext } = await bench.startOwnDriver('memory');
    try {
      const cycles = bench.effort.isQuick ? 100 : 8000;
      const atRest = await sizesOf(driver);
      bench.progress(`memory: ${cycles} cycles`);
      await soak(bench, driver, volumeContext, cycles);
      const busy = await sizesOf(driver);
      bench.progress(`memory: ${restSeconds} seconds of rest`);
      await sleep(restSeconds * 1000);
      const rested = await sizesOf(driver);
      const number = cycles.toLocaleString('en');
      return [
        ...describe('at-rest', 'at rest', atRest, true),
        ...describe('busy', `at the end of ${number} cycles`, busy, false),
        ...describe('after-work', `${restSeconds} s after them`, rested, true),
      ];
    } finally {
      await driver.stop();
    }
  },
};

function soak(
  { effort }: Bench,
  { kubeletDir, socket }: Driver,
  volumeContext: Readonly<Record<string, string>>,
  cycles: number,
): Promise<unknown> {
  const load = { inFlight: 8, cycles, warmUp: effort.warmUpCycles };
  return runClient({ socket, volumeContext }, 'cycle', targetsFolder(kubeletDir, 'soak'), load);
}

async function sizesOf(driver: Driver): Promise<Readonly<Record<Who, ProcessMemory>>> {
  const { node, mounter } = driver;
  return { node: sizeOf(node.pid), mounter: sizeOf(mounter.pid), worker: sizeOf(workerOf(mounter.pid)) };
}

function workerOf(mounterPid: number): number {
  const worker = listProcesses().find(({ pid, parentPid }) => {
    return parentPid === mounterPid && commandLine(pid)?.includes('mounter-worker') === true;
  });
  if (worker === undefined) throw new Error('the mounter has no worker');
  return worker.pid;
}

function sizeOf(pid: number): ProcessMemory {
  return parseSmapsRollup(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'));
}

function describe(
  when: string,
  whenText: string,
  sizes: Readonly<Record<Who, ProcessMemory>>,
  isAtRest: boolean,
): readonly Measurement[] {
  return (['node', 'mounter', 'worker'] as const).flatMap((who) => [
    {
      name: `memory-${who}-${when}`,
      title: `Memory of the ${titles[who]} ${whenText}`,
      unit: 'MiB',
      value: sizes[who].residentBytes / 2 ** 20,
      ...(who === 'node' && isAtRest ? { goal: { kind: 'at-most', value: nodeLimitMib } as const } : {}),
      curve: { of: titles[who], at: whenText },
    },
    {
      name: `memory-${who}-${when}-private`,
      title: '  of that private: what would be free without it',
      unit: 'MiB',
      value: sizes[who].privateBytes / 2 ** 20,
    },
  ]);
}
