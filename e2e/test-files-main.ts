// The process that runs files of tests for run-tests.ts, in the order in which they are given, which `node --test` would not keep.
// Must not know what they test.
import path from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { projectRoot } from '../tools/run-tool.ts';
import type { TestOrder } from './run-tests.ts';

const { files, namePattern, concurrency, timeoutMs }: TestOrder = JSON.parse(process.argv[2] ?? '');
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
const results = run({
  files: files.map((file) => path.resolve(projectRoot, file)),
  cwd: projectRoot,
  ...{ concurrency, timeout: timeoutMs, signal: stop.signal },
  execArgv: ['--disable-warning=ExperimentalWarning'],
  ...(namePattern === undefined ? {} : { testNamePatterns: [namePattern] }),
});
results.on('test:summary', ({ success }) => {
  if (!success) process.exitCode = 1;
});
results.compose(spec).pipe(process.stdout);
