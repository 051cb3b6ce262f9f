// Runs files of tests in the order in which they are given, which `node --test` would not keep, and puts them in a good one. Must
// not know what they test.
import path from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { projectRoot } from './run-tool.ts';

export interface TestFiles {
  /** The first are begun first. */
  readonly files: readonly string[];
  /** Only tests whose names match. */
  readonly namePattern?: string | undefined;
  /** How many files are run at a time. */
  readonly concurrency: number;
  /** Of a file. */
  readonly timeoutMs: number;
}

/** Begins them, and prints what comes of them; this process has exit status 1 when one fails, and ends them when it is told to end. */
export function runTestFiles({ files, namePattern, concurrency, timeoutMs }: TestFiles): void {
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
}

/**
 * Puts those first that take longest: what is left over at the end then is short, and no processor idles beside it. A file that is
 * missing among the slowest costs a little time and nothing else.
 */
export function slowestFirst(files: readonly string[], slowest: readonly string[]): readonly string[] {
  return [
    ...slowest.filter((file) => files.includes(file)),
    ...files.filter((file) => !slowest.includes(file)),
  ];
}
