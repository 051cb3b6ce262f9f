// `npm run bench`: measures the driver against others on this machine, in one run, and reports what it found as a
// table, as JSON lines and as a chart. What is said about speed comes from here.
import { execFileSync } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { goVersion } from '../tools/go-program.ts';
import { endOnSignals, privateFolder, runInPrivateNamespaces } from '../tools/private-namespaces.ts';
import type { Bench, Effort, Figure } from './figure.ts';
import { figures } from './figures.ts';
import { describeMachine, machineLine } from './machine.ts';
import { type Measurement, meetsGoal } from './measurement.ts';
import { reportJsonLines, reportTable } from './report.ts';
import { type Places, type Subject, startDriver, startPeer } from './subject.ts';
import { drawChart } from './svg.ts';

const usage = `npm run bench [-- OPTIONS]

  --only NAME      measure only this, again for more: ${figures.map(({ name }) => name).join(', ')}
  --json FILE      also write JSON lines {name, value, unit, goal, met}
  --svg FILE       also draw a chart of all figures that compare
  --quick          little work: shows that everything runs, not how fast it is
  --self-check     put the peer in the driver's place: every ratio has to be near 1, or the benchmark is unfair
  --strict         exit 1 when a goal is missed
  --help
`;

const thorough: Effort = {
  rounds: 7,
  cycles: 250,
  warmUpCycles: 20,
  serverWarmUpCycles: 2000,
  mappingRounds: 101,
  touches: 2 ** 19,
};
const quick: Effort = {
  rounds: 2,
  cycles: 16,
  warmUpCycles: 8,
  serverWarmUpCycles: 0,
  mappingRounds: 3,
  touches: 2 ** 14,
};
const dataBytes = 64 * 2 ** 20;

interface Options {
  readonly chosen: readonly Figure[];
  readonly effort: Effort;
  readonly selfCheck: boolean;
  readonly strict: boolean;
  readonly json: string | undefined;
  readonly svg: string | undefined;
}

function readOptions(): Options | undefined {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', multiple: true },
      json: { type: 'string' },
      svg: { type: 'string' },
      quick: { type: 'boolean', default: false },
      'self-check': { type: 'boolean', default: false },
      strict: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const unknown = values.only?.find((name) => figures.every((figure) => figure.name !== name));
  if (unknown !== undefined) throw new Error(`there is no benchmark "${unknown}"\n\n${usage}`);
  return {
    chosen: figures.filter(({ name }) => values.only?.includes(name) ?? true),
    effort: values.quick ? quick : thorough,
    selfCheck: values['self-check'],
    strict: values.strict,
    json: values.json,
    svg: values.svg,
  };
}

async function main(): Promise<number> {
  const options = readOptions();
  if (options === undefined) {
    console.log(usage);
    return 0;
  }
  if (goVersion() === undefined)
    throw new Error('The peer and the client are Go programs; install Go to run the benchmark.');
  const folder = privateFolder();
  if (folder === undefined) return runInPrivateNamespaces();
  endOnSignals();
  // mkfs.famfs leaves its directories behind; in here they go with everything else.
  process.env.FAMFS_SIM_TMP = folder;
  const measurements = await measure(folder, options);
  return report(options.selfCheck ? measurements.map(expectEquality) : measurements, options);
}

/** With the same server on both sides, whatever compares the two has to find them equal, within what noise allows. */
function expectEquality(measurement: Measurement): Measurement {
  if (measurement.goal?.kind !== 'at-least') return measurement;
  return { ...measurement, goal: { kind: 'near', value: 1, tolerance: 0.1 } };
}

async function measure(
  folder: string,
  { chosen, effort, selfCheck }: Options,
): Promise<readonly Measurement[]> {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'mode=0700', 'famfs-csi-bench', folder], { stdio: 'inherit' });
  const places: Places = { folder, kubeletDir: path.join(folder, 'kubelet') };
  mkdirSync(places.kubeletDir);
  const progress = (text: string) => console.error(`  ${text} …`);
  const subjects = await startSubjects(places, selfCheck, progress);
  const measurements: Measurement[] = [];
  try {
    for (const figure of chosen)
      measurements.push(...(await figure.measure({ places, effort, progress, ...subjects })));
  } finally {
    await subjects.peer.stop();
    await subjects.driver.stop();
  }
  return measurements;
}

async function startSubjects(
  places: Places,
  selfCheck: boolean,
  progress: Bench['progress'],
): Promise<Pick<Bench, 'driver' | 'peer' | 'source'>> {
  const directory = path.join(places.folder, 'data');
  mkdirSync(directory);
  writeFileSync(path.join(directory, 'data'), randomFillSync(Buffer.alloc(dataBytes)));
  progress('starting the servers');
  if (selfCheck) {
    const driver: Subject = await startPeer(places, 'Go peer again', directory);
    return { driver, peer: await startPeer(places, 'Go peer', directory), source: directory };
  }
  const driver = await startDriver(places, path.join(directory, 'data'));
  return {
    driver,
    peer: await startPeer(places, 'Go peer', driver.poolDirectory),
    source: driver.poolDirectory,
  };
}

function report(measurements: readonly Measurement[], { json, svg, strict, selfCheck }: Options): number {
  const machine = machineLine(describeMachine());
  const what = selfCheck ? 'Self-check: the peer in the place of famfs-csi' : 'famfs-csi, measured';
  console.log(`\n${what}\n${machine}\n\n${reportTable(measurements)}\n`);
  if (json !== undefined) writeFileSync(json, reportJsonLines(measurements));
  if (svg !== undefined)
    writeFileSync(
      svg,
      drawChart(
        what,
        machine,
        measurements.filter(({ unit }) => unit === '×'),
      ),
    );
  const missed = measurements.filter((measurement) => meetsGoal(measurement) === false);
  return strict && missed.length > 0 ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
