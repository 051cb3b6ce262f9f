// Runs the tests: all of them, or those of the files and folders that are named.
// `npm test -- src/famfs --name "superblock"` runs one room's tests whose names match.
import { globSync } from 'node:fs';
import path from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { parseArgs } from 'node:util';
import { projectRoot } from './run-tool.ts';
import { bundleForTests, cachedCompilation } from './test-programs.ts';

// Tests of processes wait as much as they compute, so there are more at a time than processors.
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { name: { type: 'string' }, concurrency: { type: 'string', default: '3' } },
});

// Tests that need what takes minutes to build are run by what builds it, and here only when a file is named: an API
// server and nodes by `npm run e2e`, Helm by `npm run chart`.
const needsLongBuild =
  /\.api\.test\.ts$|(?:^|\/)chart\/(?:chart|values)\.test\.ts$|(?:^|\/)cluster\/cluster\.test\.ts$/;

const places = positionals.length > 0 ? positionals : ['src', 'tools', 'test', 'demo', 'bench', 'e2e'];
/**
 * Begun first, for they take longest: what is left over at the end then is short, and no processor idles beside it. A file that
 * is missing here costs a little time and nothing else.
 */
const slowest = [
  'test/simulator-on-node.test.ts',
  'bench/bench.test.ts',
  'bench/hardware.test.ts',
  'src/mounter/device-formatting.test.ts',
  'src/mounter/pool-health.test.ts',
  'src/mounter/log-following.test.ts',
  'src/mounter/pool-release.test.ts',
  'src/mounter/reformat.test.ts',
  'test/failures-of-resources.test.ts',
  'test/pod-escape.test.ts',
];

const files = places
  .flatMap((place) =>
    place.endsWith('.test.ts')
      ? [place]
      : globSync('**/*.test.ts', { cwd: path.join(projectRoot, place) })
          .filter((file) => !needsLongBuild.test(file))
          .map((file) => path.join(place, file)),
  )
  .sort((a, b) => Number(slowest.includes(b)) - Number(slowest.includes(a)) || (a < b ? -1 : 1));
if (files.length === 0) {
  console.error(`no test file below ${places.join(', ')}`);
  process.exit(1);
}
// A few files are tried sooner than the bundles are made.
const programs = positionals.length > 0 ? {} : await bundleForTests();
Object.assign(process.env, cachedCompilation(), programs);
if (files.length > 1) console.log(`famfs-csi: ${files.length} files of tests, the slowest first …`);

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
// Not by `node --test`, which would sort them by name.
const results = run({
  files: files.map((file) => path.join(projectRoot, file)),
  cwd: projectRoot,
  concurrency: Number(values.concurrency),
  // No test takes a minute; what hangs is told from what runs on a slow machine.
  timeout: 600_000,
  execArgv: ['--disable-warning=ExperimentalWarning'],
  signal: stop.signal,
  ...(values.name === undefined ? {} : { testNamePatterns: [values.name] }),
});
results.on('test:summary', ({ success }) => {
  if (!success) process.exitCode = 1;
});
results.compose(spec).pipe(process.stdout);
