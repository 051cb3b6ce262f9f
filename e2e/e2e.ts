// `npm run e2e`: the tests that need programs of Kubernetes, which are built once into .cache. The part `api` runs every
// *.api.test.ts beside its source against one API server that they share.
import { globSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { ApiServer, sharedServerVariable } from '../test/api-server.ts';
import { goVersion } from '../tools/go-program.ts';
import { projectRoot } from '../tools/run-tool.ts';
import { buildKubernetes, kubernetesVersion } from './kubernetes-program.ts';
import { runTests } from './run-tests.ts';

const parts: Readonly<Record<string, string>> = {
  api: 'what talks to an API server, against a real one on a real etcd',
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { name: { type: 'string' }, help: { type: 'boolean', default: false } },
});

async function main(): Promise<number> {
  if (values.help) {
    console.log(usage());
    return 0;
  }
  const files = positionals.filter((place) => parts[place] === undefined);
  const unknown = files.find((place) => !place.endsWith('.api.test.ts'));
  if (unknown !== undefined) {
    console.error(`there is no part or test ${JSON.stringify(unknown)}\n\n${usage()}`);
    return 2;
  }
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
  return runApiTests(files.length > 0 ? files : apiTests());
}

function usage(): string {
  const lines = Object.entries(parts).map(([name, summary]) => `  ${name.padEnd(10)} ${summary}`);
  return `npm run e2e [-- PART… | FILE.api.test.ts…] [--name PATTERN]

Runs, against Kubernetes ${kubernetesVersion()}, all of these parts or those named:
${lines.join('\n')}

  --name PATTERN   only tests whose names match
  --help`;
}

function apiTests(): string[] {
  return ['src', 'test'].flatMap((place) =>
    globSync('**/*.api.test.ts', { cwd: path.join(projectRoot, place) })
      .map((file) => path.join(place, file))
      .sort(),
  );
}

async function runApiTests(files: readonly string[]): Promise<number> {
  const server = await ApiServer.start({ own: true });
  try {
    return await runTests(files, values.name, { [sharedServerVariable]: server.sharedAs });
  } finally {
    await server.stop();
  }
}

process.exitCode = await main();
