// The part `api` of `npm run e2e`: runs every *.api.test.ts beside its source against one API server that they share. Must not know
// any of them but how long it takes.
import { globSync } from 'node:fs';
import path from 'node:path';
import { ApiServer, sharedServerVariable } from '../test/api-server.ts';
import { goVersion } from '../tools/go-program.ts';
import { projectRoot } from '../tools/run-tool.ts';
import { slowestFirst } from '../tools/test-files.ts';
import { bundleForTests } from '../tools/test-programs.ts';
import { buildKubernetes, kubernetesVersion } from './kubernetes-program.ts';
import { runTests } from './run-tests.ts';

/** They wait as much as they compute. */
const sideBySide = 3;
const timeoutMs = 600_000;

const slowest = [
  'test/slots-in-use.api.test.ts',
  'test/reset.api.test.ts',
  'test/agent.api.test.ts',
  'test/controller.api.test.ts',
  'test/chart.api.test.ts',
  'test/reconcilers.api.test.ts',
];

export interface ApiRun {
  /** All when there are none. */
  readonly files: readonly string[];
  readonly name: string | undefined;
  /** Gets what the tests print, instead of this terminal; they then leave the processors to others. */
  readonly outputFile?: string;
}

/** @returns an exit status */
export async function runApiTests({ files, name, outputFile }: ApiRun): Promise<number> {
  if (goVersion() === undefined) {
    console.error(
      'The end-to-end tests run programs of Kubernetes, which are built from source; install Go.',
    );
    return 1;
  }
  console.log(
    `Kubernetes ${kubernetesVersion()}: building it, unless that was done (the first time takes minutes) …`,
  );
  buildKubernetes();
  // A few files are tried sooner than the bundles are made.
  const programs = files.length > 0 ? {} : await bundleForTests();
  const server = await ApiServer.start({ own: true });
  try {
    return await runTests({
      files: files.length > 0 ? files : apiTests(),
      namePattern: name,
      concurrency: sideBySide,
      timeoutMs,
      env: { ...programs, [sharedServerVariable]: server.sharedAs },
      ...(outputFile === undefined ? {} : { outputFile, around: (command) => ['nice', ...command] }),
    });
  } finally {
    await server.stop();
  }
}

function apiTests(): readonly string[] {
  const found = ['src', 'test'].flatMap((place) =>
    globSync('**/*.api.test.ts', { cwd: path.join(projectRoot, place) })
      .map((file) => path.join(place, file))
      .sort(),
  );
  return slowestFirst(found, slowest);
}
