// How long a pod waits for its data: from the publish to the first byte read through a mapping, for data of many sizes;
// and how long a copy of the same data from memory to memory takes, which is the least that a driver needs which
// hands out copies, before any network or disk.
import { rmSync } from 'node:fs';
import path from 'node:path';
import { availableBytes } from '../../tools/available-memory.ts';
import type { Bench, Figure } from '../figure.ts';
import { copyFileMs, runClient } from '../go-client.ts';
import { interleave } from '../interleave.ts';
import { fromRounds, type Measurement, median } from '../measurement.ts';
import type { DataDirectory } from '../pool-data.ts';
import { targetsFolder } from '../targets.ts';
import { warmUpServers } from '../warm-up.ts';

const slowestTimesFastest = 1.1;
const mib = 2 ** 20;
const thoroughSizes = [1, 16, 256, 1024, 8192].map((size) => size * mib);
const quickSizes = [1, 4, 16].map((size) => size * mib);
/** What everything else on the machine is left with. */
const sparedBytes = 2 ** 30;

interface Sized {
  readonly sizeBytes: number;
  readonly data: DataDirectory;
  /** A publish to the first byte of it, in milliseconds, for each round. */
  readonly readyMs: readonly number[];
  readonly copyMs: readonly number[];
}

export const timeToReady: Figure = {
  name: 'time-to-ready',
  summary: 'from the publish to the first byte, for data of 1 MiB to 8 GiB, and a copy of the same data',
  settings: ['simulated', 'hardware'],
  async measure(bench) {
    await warmUpServers(bench);
    const wanted = bench.effort.isQuick ? quickSizes : thoroughSizes;
    const sizes = sizesThatFit(bench, wanted, availableBytes());
    if (sizes.length < wanted.length)
      bench.progress(`${sizeText(wanted.at(-1) ?? 0)} is left out: too little memory is free`);
    const made: { readonly sizeBytes: number; readonly data: DataDirectory }[] = [];
    try {
      for (const sizeBytes of sizes) {
        bench.progress(`filling ${sizeText(sizeBytes)}`);
        const data = await bench.poolData.directory(
          `ready-${sizeText(sizeBytes).replace(' ', '')}`,
          sizeBytes,
        );
        made.push({ sizeBytes, data });
      }
      return describe(await measureAll(bench, made));
    } finally {
      for (const { data } of made) data.free();
    }
  },
};

/** Sizes whose data all fit, with one copy of the largest beside them. Data on hardware is there in any case. */
function sizesThatFit({ setting }: Bench, wanted: readonly number[], available: number): readonly number[] {
  const isSimulated = setting === 'simulated';
  let filled = sparedBytes;
  return wanted.filter((sizeBytes) => {
    const fits = filled + sizeBytes * (isSimulated ? 2 : 1) <= available;
    if (fits && isSimulated) filled += sizeBytes;
    return fits;
  });
}

async function measureAll(
  bench: Bench,
  made: readonly Pick<Sized, 'sizeBytes' | 'data'>[],
): Promise<readonly Sized[]> {
  const { rounds: fewRounds, isQuick } = bench.effort;
  // The sizes differ by less than two rounds do on a machine that is shared.
  const count = fewRounds * 3;
  const targets = targetsFolder(bench.places.kubeletDir, 'ready');
  const load = { inFlight: 1, ...(isQuick ? { cycles: 8, warmUp: 2 } : { cycles: 80, warmUp: 20 }) };
  bench.progress(`time to ready, ${made.length} sizes: ${count} rounds`);
  const rounds = await interleave(
    count,
    Object.fromEntries(
      made.map(({ sizeBytes, data: { volumeContext } }) => [
        `${sizeBytes}`,
        () => runClient({ socket: bench.driver.socket, volumeContext }, 'ready', targets, load),
      ]),
    ),
  );
  const measured: Sized[] = [];
  for (const { sizeBytes, data } of made) {
    const readyMs = rounds.flatMap((round) => round[`${sizeBytes}`]?.firstP50Ms ?? []);
    measured.push({ sizeBytes, data, readyMs, copyMs: await copyTimes(bench, sizeBytes, data) });
  }
  return measured;
}

async function copyTimes(bench: Bench, sizeBytes: number, { absolute }: DataDirectory): Promise<number[]> {
  const copy = path.join(bench.places.folder, 'copy');
  const times: number[] = [];
  bench.progress(`copying ${sizeText(sizeBytes)}`);
  try {
    // The first one finds caches cold.
    await copyFileMs(path.join(absolute, 'data'), copy);
    for (let round = 0; round < 3; round++) times.push(await copyFileMs(path.join(absolute, 'data'), copy));
  } finally {
    rmSync(copy, { force: true });
  }
  return times;
}

/** How long each size takes, times what all take in the same round: what the machine does meanwhile is in both. */
function timesTheRound(measured: readonly Sized[]): readonly number[] {
  const ofRound = (round: number): number => median(measured.map(({ readyMs }) => readyMs[round] ?? 0));
  return measured.map(({ readyMs }) => median(readyMs.map((ms, round) => ms / ofRound(round))));
}

function describe(measured: readonly Sized[]): readonly Measurement[] {
  const sizes = timesTheRound(measured);
  const [least = 0, most = 0] = [measured.at(0)?.sizeBytes, measured.at(-1)?.sizeBytes];
  const ofSizes = measured.flatMap(({ sizeBytes, readyMs, copyMs }) => {
    const at = sizeText(sizeBytes);
    const ready = median(readyMs);
    const name = at.replace(' ', '');
    return [
      {
        name: `time-to-ready-against-copy-${name}`,
        title: `${at}: a copy takes longer than a publish by a factor of`,
        unit: '×',
        value: median(copyMs) / ready,
      },
      fromRounds(
        {
          name: `time-to-ready-${name}`,
          title: `  ${at}: publish to the first byte`,
          unit: 'ms',
          curve: { of: 'famfs-csi: publish to first byte', at },
        },
        readyMs,
      ),
      fromRounds(
        {
          name: `time-to-copy-${name}`,
          title: `  ${at}: a copy from memory to memory`,
          unit: 'ms',
          curve: { of: 'copy to first byte', at },
        },
        copyMs,
      ),
    ];
  });
  return [
    {
      name: 'time-to-ready-flatness',
      title: `Publish to the first byte, ${sizeText(least)} to ${sizeText(most)}: the slowest size, times the fastest`,
      unit: '×',
      value: Math.max(...sizes) / Math.min(...sizes),
      goal: { kind: 'at-most', value: slowestTimesFastest },
    },
    ...ofSizes,
  ];
}

function sizeText(sizeBytes: number): string {
  return sizeBytes >= 1024 * mib ? `${sizeBytes / 1024 / mib} GiB` : `${sizeBytes / mib} MiB`;
}
