// Runs the stress tests: faults, hostile input and endurance, in amounts that the gate can take or any multiple.
// `npm run stress -- soak --times 10 --seed 7` does ten times the soak, with dice that fall the same way every time.
import { globSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { projectRoot, runTool } from './run-tool.ts';
import { bundleForTests, cachedCompilation } from './test-programs.ts';

const folder = path.join('test', 'stress');
const fileEnd = '.stress.ts';
const fileTimeoutMs = 900_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    times: { type: 'string', default: '1' },
    seed: { type: 'string' },
    name: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
const names = globSync(`*${fileEnd}`, { cwd: path.join(projectRoot, folder) })
  .map((file) => file.slice(0, -fileEnd.length))
  .sort();

const problem = values.help ? undefined : problemWith(Number(values.times), values.seed);
if (values.help || problem !== undefined) {
  console[values.help ? 'log' : 'error'](`${problem === undefined ? '' : `${problem}\n\n`}${usage()}`);
  process.exit(values.help ? 0 : 2);
}
Object.assign(process.env, cachedCompilation(), await bundleForTests());
process.env.FAMFS_CSI_STRESS_TIMES = values.times;
if (values.seed !== undefined) process.env.FAMFS_CSI_STRESS_SEED = values.seed;
process.exit(
  runTool('node', testOptions(Number(values.times), positionals.length > 0 ? positionals : names)),
);

function usage(): string {
  return `npm run stress [-- NAME… OPTIONS]

  NAME        only these: ${names.join(', ')}
  --times N   do N times as much as the gate does; 0.1 for a look
  --seed S    throw the dice as in the run that printed this seed
  --name TEXT only tests whose names match`;
}

function problemWith(times: number, seedText: string | undefined): string | undefined {
  if (!(times > 0)) return `--times must be a number above 0, not ${values.times}`;
  if (seedText !== undefined && !/^\d{1,10}$/.test(seedText))
    return `--seed must be a whole number, not ${seedText}`;
  const unknown = positionals.find((name) => !names.includes(name));
  return unknown === undefined ? undefined : `there is no stress test ${JSON.stringify(unknown)}`;
}

/** One file after the other: each loads the machine on purpose. */
function testOptions(times: number, chosen: readonly string[]): string[] {
  return [
    '--disable-warning=ExperimentalWarning',
    '--expose-gc',
    '--test',
    '--test-concurrency=1',
    `--test-timeout=${Math.ceil(fileTimeoutMs * Math.max(1, times))}`,
    ...(values.name === undefined ? [] : [`--test-name-pattern=${values.name}`]),
    ...chosen.map((name) => path.join(folder, `${name}${fileEnd}`)),
  ];
}
