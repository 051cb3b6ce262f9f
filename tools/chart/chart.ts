// `npm run chart`: checks the chart (lint, schema, renders, what is made of its values, what was released before), makes what is made of its
// values with `--write`, or keeps it as a released one with `--release`.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { goVersion } from '../go-program.ts';
import { projectRoot, runTool } from '../run-tool.ts';
import { goldenFiles, valueFiles } from './made-files.ts';
import { keepRelease } from './released-charts.ts';

const { values } = parseArgs({
  options: {
    write: { type: 'boolean', default: false },
    release: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(`npm run chart [-- --write | --release]

Checks charts/famfs-csi by a Helm that is built from source (the first time takes minutes; needs Go).

  --write     make anew what is made of the chart: values.schema.json, the list in README.md, ci/golden
  --release   package the chart of this tree and keep it in charts/released, as the one of its version`);
} else if (goVersion() === undefined) {
  console.error('The chart is checked by Helm, which is built from source; install Go.');
  process.exitCode = 1;
} else if (values.write) {
  // The schema comes first: Helm holds values to it.
  write(valueFiles());
  write(goldenFiles());
} else if (values.release) {
  console.log(`kept: ${path.relative(projectRoot, keepRelease())}`);
} else {
  const flags = ['--disable-warning=ExperimentalWarning', '--test', '--test-timeout=600000'];
  // Those that are called -tests run Helm, which may take minutes to build: `npm test` has the others alone.
  const tests = ['chart-tests', 'successor-tests', 'values.test', 'monitoring.test', 'released-charts.test'];
  const files = tests.map((name) => `tools/chart/${name}.ts`);
  process.exitCode = runTool('node', [...flags, ...files]);
}

function write(files: ReadonlyMap<string, string>): void {
  for (const [file, text] of files) {
    const place = path.join(projectRoot, file);
    if (existsSync(place) && readFileSync(place, 'utf8') === text) continue;
    writeFileSync(place, text);
    console.log(`written: ${file}`);
  }
}
