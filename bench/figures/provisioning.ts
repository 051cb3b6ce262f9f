// Creating volumes: what the driver adds to famfs's own commands, whether that grows with the volumes that there are, how fast it
// zeroes, and how soon the nodes that see the memory have what its master made.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { availableBytes } from '../../tools/available-memory.ts';
import { BackgroundProcess } from '../../tools/background-process.ts';
import { buildGoProgram } from '../../tools/go-program.ts';
import { projectRoot } from '../../tools/run-tool.ts';
import type { Bench, Figure } from '../figure.ts';
import { interleave } from '../interleave.ts';
import { fromRounds, type Measurement, median } from '../measurement.ts';
import { asArguments, mounterFlagsIn, ProvisioningHost } from '../provisioning-host.ts';
import { runMeasuring } from '../run-measuring.ts';

const timesTheCommands = 2;
const timesWithoutVolumes = 1.25;
const gib = 2 ** 30;
/** What a simulated node takes that only follows: a mounter, its worker of the pool, and the daemon of its mount. */
const clientBytes = 96 * 2 ** 20;
/** A hundred of them replay at once on the processors of one machine. */
const visibleWithinMs = 300_000;

export const provisioning: Figure = {
  name: 'provisioning',
  summary:
    "creating volumes, against famfs's commands alone, beside many that are there, and until other nodes see them",
  async measure(bench) {
    const host = await ProvisioningHost.start(bench, 'provisioning');
    try {
      return [
        ...(await measureCreation(bench, host)),
        ...(await measureZeroing(bench, host)),
        ...(await measureVisibility(bench, host)),
        ...(await measureBesideRecords(bench, host)),
      ];
    } finally {
      await host.stop();
    }
  },
};

async function measureCreation(bench: Bench, host: ProvisioningHost): Promise<Measurement[]> {
  const { isQuick, rounds: roundCount } = bench.effort;
  const count = isQuick ? 2 : 10;
  const inFlight = 8;
  bench.progress(`creating volumes: ${roundCount} rounds of ${count}`);
  const rounds = await interleave(roundCount, {
    driver: () => timesOf(count, () => host.createVolume()),
    commands: () => timesOf(count, async () => (await host.makeByCommands()).ms),
  });
  const perSecond: number[] = [];
  for (let round = 0; round < roundCount; round++) {
    const beganAtMs = performance.now();
    await Promise.all(Array.from({ length: inFlight }, () => host.createVolume()));
    perSecond.push((inFlight / (performance.now() - beganAtMs)) * 1000);
  }
  return [
    fromRounds(
      {
        name: 'create-volume-against-commands',
        title: "CreateVolume of 2 MiB: time, times that of famfs's commands alone",
        unit: '×',
        goal: { kind: 'at-most', value: timesTheCommands },
      },
      rounds.map(({ driver, commands }) => median(driver) / median(commands)),
    ),
    fromRounds(
      { name: 'create-volume-p50', title: '  CreateVolume: p50', unit: 'ms' },
      rounds.map(({ driver }) => median(driver)),
    ),
    fromRounds(
      { name: 'create-volume-longest', title: '  CreateVolume: the longest of a round', unit: 'ms' },
      rounds.map(({ driver }) => Math.max(...driver)),
    ),
    fromRounds(
      { name: 'create-commands-p50', title: '  mkdir, creat and flush of famfs: p50', unit: 'ms' },
      rounds.map(({ commands }) => median(commands)),
    ),
    fromRounds(
      { name: 'create-volumes-a-second', title: `  CreateVolume, ${inFlight} in flight`, unit: '1/s' },
      perSecond,
    ),
  ];
}

async function timesOf(count: number, measure: () => Promise<number>): Promise<readonly number[]> {
  const times: number[] = [];
  for (let number = 0; number < count; number++) times.push(await measure());
  return times;
}

/** What is left of a large volume's time without that of a small one: writing zeros, and reading them back. */
async function measureZeroing({ effort, progress }: Bench, host: ProvisioningHost): Promise<Measurement[]> {
  const bytes = effort.isQuick ? gib / 8 : gib;
  const rounds = effort.isQuick ? 1 : 3;
  progress(`zeroing: ${rounds} rounds of ${bytes / 2 ** 20} MiB`);
  const program = buildGoProgram({ module: 'bench', package: 'zero-mapping' });
  const small = median(await timesOf(3, () => host.createVolume()));
  const found = await interleave(rounds, {
    driver: async () => Math.max(1, (await host.createVolume(BigInt(bytes))) - small),
    memset: async () => {
      const { file } = await host.makeByCommands(BigInt(bytes));
      return (await runMeasuring(program, ['-file', file], hasMs)).ms;
    },
  });
  const rate = (ms: number): number => (bytes / gib / ms) * 1000;
  return [
    fromRounds(
      {
        name: 'zeroing-against-memset',
        title: 'Zeroing a new volume and reading it back: rate, times that of one memset of a mapping',
        unit: '×',
      },
      found.map(({ driver, memset }) => memset / driver),
    ),
    fromRounds(
      { name: 'zeroing-rate', title: '  the driver', unit: 'GiB/s' },
      found.map(({ driver }) => rate(driver)),
    ),
    fromRounds(
      { name: 'memset-rate', title: '  memset', unit: 'GiB/s' },
      found.map(({ memset }) => rate(memset)),
    ),
  ];
}

function hasMs(value: unknown): value is { readonly ms: number } {
  return typeof value === 'object' && value !== null && 'ms' in value && Number.isFinite(value.ms);
}

/** Mounters of other nodes follow the master's log; from the end of famfs's commands until the last one has the file. */
async function measureVisibility(bench: Bench, host: ProvisioningHost): Promise<Measurement[]> {
  const measurements: Measurement[] = [];
  for (const count of bench.effort.isQuick ? [1, 2] : [1, 10, 100]) {
    if (availableBytes() < count * clientBytes) {
      bench.progress(`visibility on ${count} nodes is left out: too little memory is free`);
      continue;
    }
    bench.progress(`visibility on ${count} nodes: ${bench.effort.rounds} rounds`);
    const mounters: ClientMounter[] = [];
    try {
      for (let index = 0; index < count; index++)
        mounters.push(await startClient(bench, host, `client-${count}-${index}`));
      const times: number[] = [];
      for (let round = 0; round < bench.effort.rounds; round++) {
        const { file } = await host.makeByCommands();
        times.push(await untilVisible(mounters, path.relative(host.poolPath, file)));
      }
      measurements.push(
        fromRounds(
          {
            name: `visible-on-${count}`,
            title: `From creation on the master until visible on ${count === 1 ? 'another node' : `${count} nodes`}`,
            unit: 'ms',
          },
          times,
        ),
      );
    } finally {
      await Promise.all(mounters.map(({ process }) => process.stop()));
    }
  }
  return measurements;
}

interface ClientMounter {
  readonly process: BackgroundProcess;
  readonly poolPath: string;
}

async function startClient(
  { places, programs }: Bench,
  host: ProvisioningHost,
  name: string,
): Promise<ClientMounter> {
  const folder = path.join(places.folder, name);
  const node = path.join(folder, 'node');
  const device = `${host.node.deviceFolder}=dax0.0`;
  const simulator = ['--disable-warning=ExperimentalWarning', path.join(projectRoot, 'src/sim/main.ts')];
  execFileSync(process.execPath, [...simulator, 'create-node', node, '--device', device], { stdio: 'pipe' });
  const mounterFlags = {
    ...{ 'famfs-bin-dir': path.join(node, 'bin'), 'sysfs-root': path.join(node, 'sys') },
    ...{ 'dev-root': path.join(node, 'dev'), 'system-uuid-path': path.join(node, 'opt/famfs/system_uuid') },
    ...{ 'lock-dir': path.join(folder, 'locks'), mode: 'fuse' },
  };
  const [program = '', ...words] = programs.mounter;
  const flags = mounterFlagsIn(folder, { ...host.node, mounterFlags });
  const started = new BackgroundProcess(name, program, [...words, ...asArguments(flags)]);
  const poolPath = path.join(folder, 'pools', host.node.pool);
  const isMounted = () => existsSync(path.join(poolPath, '.meta/.log'));
  await started.waitUntil('the pool is mounted', isMounted, visibleWithinMs);
  return { process: started, poolPath };
}

async function untilVisible(mounters: readonly ClientMounter[], file: string): Promise<number> {
  const beganAtMs = performance.now();
  for (const { process, poolPath } of mounters)
    await process.waitUntil(
      `${file} is visible`,
      async () => {
        for (let look = 0; look < 10; look++) {
          if (existsSync(path.join(poolPath, file))) return true;
          await delay(2);
        }
        return false;
      },
      visibleWithinMs,
    );
  return performance.now() - beganAtMs;
}

/** Hosts that differ in nothing but how many volumes they have recorded. */
async function measureBesideRecords(bench: Bench, empty: ProvisioningHost): Promise<Measurement[]> {
  const { isQuick, rounds: roundCount } = bench.effort;
  const measurements: Measurement[] = [];
  for (const recordCount of isQuick ? [100] : [1000, 5000]) {
    bench.progress(`creating volumes beside ${recordCount}`);
    const full = await ProvisioningHost.start(bench, `provisioning-beside-${recordCount}`, recordCount);
    try {
      const count = isQuick ? 2 : 10;
      const rounds = await interleave(roundCount, {
        empty: () => timesOf(count, () => empty.createVolume()),
        full: () => timesOf(count, () => full.createVolume()),
      });
      measurements.push(
        fromRounds(
          {
            name: `create-volume-beside-${recordCount}`,
            title: `CreateVolume beside ${recordCount.toLocaleString('en')} volumes: time, times that beside none`,
            unit: '×',
            goal: { kind: 'at-most', value: timesWithoutVolumes },
          },
          rounds.map((round) => median(round.full) / median(round.empty)),
        ),
        fromRounds(
          {
            name: `create-volume-beside-${recordCount}-p50`,
            title: `  beside ${recordCount.toLocaleString('en')}: p50`,
            unit: 'ms',
          },
          rounds.map((round) => median(round.full)),
        ),
      );
    } finally {
      await full.stop();
    }
  }
  return measurements;
}
