// Runs the tests: all of them, or those of the files and folders that are named.
// `npm test -- src/famfs --name "superblock"` runs one room's tests whose names match.
import { globSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { projectRoot } from './run-tool.ts';
import { runTestFiles, slowestFirst } from './test-files.ts';
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

const found = places.flatMap((place) =>
  place.endsWith('.test.ts')
    ? [place]
    : globSync('**/*.test.ts', { cwd: path.join(projectRoot, place) })
        .filter((file) => !needsLongBuild.test(file))
        .map((file) => path.join(place, file)),
);
const files = slowestFirst(found.sort(), slowest);
if (files.length === 0) {
  console.error(`no test file below ${places.join(', ')}`);
  process.exit(1);
}
// A few files are tried sooner than the bundles are made.
const programs = positionals.length > 0 ? {} : await bundleForTests();
Object.assign(process.env, cachedCompilation(), programs);
if (files.length > 1) console.log(`famfs-csi: ${files.length} files of tests, the slowest first …`);

// No test takes a minute; what hangs is told from what runs on a slow machine.
runTestFiles({
  files,
  namePattern: values.name,
  concurrency: Number(values.concurrency),
  timeoutMs: 600_000,
});
