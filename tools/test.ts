// Runs the tests: all of them, or those of the files and folders that are named.
// `npm test -- src/famfs --name "superblock"` runs one room's tests whose names match.
import { globSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { projectRoot, runTool } from './run-tool.ts';
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
const files = places.flatMap((place) =>
  place.endsWith('.test.ts')
    ? [place]
    : globSync('**/*.test.ts', { cwd: path.join(projectRoot, place) })
        .filter((file) => !needsLongBuild.test(file))
        .map((file) => path.join(place, file)),
);
if (files.length === 0) {
  console.error(`no test file below ${places.join(', ')}`);
  process.exit(1);
}
const pattern = values.name === undefined ? [] : [`--test-name-pattern=${values.name}`];
const options = [
  '--disable-warning=ExperimentalWarning',
  '--test',
  `--test-concurrency=${values.concurrency}`,
];
// No test takes a minute; what hangs is told from what runs on a slow machine.
const argv = [...options, '--test-timeout=600000', ...pattern, ...files.sort()];
// A few files are tried sooner than the bundles are made.
const programs = positionals.length > 0 ? {} : await bundleForTests();
process.exit(runTool('node', argv, { ...process.env, ...cachedCompilation(), ...programs }));
