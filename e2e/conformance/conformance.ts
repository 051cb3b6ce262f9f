// `npm run conformance`: the official suite of CSI, csi-sanity, over the simulator and the real mounter, once for each way in
// which the driver runs. Passes when no spec fails and the suite leaves out exactly what it is known to leave out.
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { parseArgs, styleText } from 'node:util';
import { SimulatedCluster } from '../../test/simulated-cluster.ts';
import { goVersion } from '../../tools/go-program.ts';
import { privateFolder, runInPrivateNamespaces } from '../../tools/private-namespaces.ts';
import { bundleForTests } from '../../tools/test-programs.ts';
import { buildKubernetes } from '../kubernetes-program.ts';
import { buildSanity, runSanity, type SanityResult } from './csi-sanity.ts';
import { leftOutSpecs } from './left-out-specs.ts';
import { type SetUp, setUps } from './set-ups.ts';

const volumeSizeBytes = 16n << 20n;

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [] },
    verbose: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

async function main(): Promise<number> {
  if (values.help) return print(usage());
  const unknown = values.only.find((name) => !setUps.some((setUp) => setUp.name === name));
  if (unknown !== undefined) {
    console.error(`there is no set-up ${JSON.stringify(unknown)}\n\n${usage()}`);
    return 2;
  }
  if (process.getuid?.() !== 0) {
    console.error('The conformance suite publishes writable volumes on real mounts, which needs root.');
    return 1;
  }
  if (goVersion() === undefined) {
    console.error('The conformance suite is a Go program; install Go.');
    return 1;
  }
  if (privateFolder() === undefined) {
    console.log('csi-sanity v5.6.0: building it, unless that was done …');
    buildSanity();
    console.log('Kubernetes: building its API server, unless that was done (the first time takes minutes) …');
    buildKubernetes();
    // Processes are started by the hundred, and read this when they are inside.
    Object.assign(process.env, await bundleForTests());
    return runInPrivateNamespaces();
  }
  let passed = true;
  for (const setUp of setUps)
    if (values.only.length === 0 || values.only.includes(setUp.name)) passed = (await run(setUp)) && passed;
  return passed ? 0 : 1;
}

function usage(): string {
  const lines = setUps.map(({ name, summary }) => `  ${name.padEnd(18)} ${summary}`);
  return `npm run conformance [-- OPTIONS]

Runs csi-sanity, no spec skipped or focused, against:
${lines.join('\n')}

  --only NAME   only this set-up, again for more
  --verbose     show what the suite prints
  --help`;
}

function print(text: string): number {
  console.log(text);
  return 0;
}

async function run(setUp: SetUp): Promise<boolean> {
  console.log(styleText('bold', `\n▶ ${setUp.name}`), `— ${setUp.summary}`);
  const cluster = new SimulatedCluster();
  try {
    await cluster.addMemory();
    const node = await cluster.addNode('a');
    await node.format('dax0.0');
    const driver = await setUp.start(cluster, node);
    const folder = path.join(node.places.kubelet, 'pods/sanity');
    mkdirSync(folder, { recursive: true });
    let output = '';
    const result = await runSanity(
      buildSanity(),
      {
        endpoint: driver.endpoint,
        ...(driver.controllerEndpoint === undefined ? {} : { controllerEndpoint: driver.controllerEndpoint }),
        mountFolder: path.join(folder, 'mount'),
        stagingFolder: path.join(folder, 'staging'),
        reportFile: path.join(cluster.directory, 'report.xml'),
        volumeSizeBytes,
      },
      (text) => {
        output += text;
        if (values.verbose) process.stdout.write(text);
      },
    );
    const interruptions = driver.interruptions();
    await driver.stop();
    const problems = problemsOf(result);
    console.log(`  ${result.closingLines.replaceAll('\n', '\n  ')}`);
    if (interruptions !== '') console.log(`  The driver was ${interruptions}.`);
    for (const problem of problems) console.log(styleText('red', `  ✘ ${problem}`));
    if (problems.length > 0 && !values.verbose) console.log(output);
    if (problems.length === 0) console.log(styleText('green', `  ✔ ${result.passed.length} specs passed`));
    return problems.length === 0;
  } finally {
    await cluster.close();
  }
}

/** Why a run does not count as passed. */
function problemsOf({ exitCode, failed, leftOut, passed }: SanityResult): string[] {
  const known = Object.values(leftOutSpecs).flat();
  return [
    ...failed.map((name) => `failed: ${name}`),
    ...leftOut
      .filter((name) => !known.includes(name))
      .map((name) => `left out, and not in left-out-specs.ts: ${name}`),
    ...known
      .filter((name) => !leftOut.includes(name))
      .map((name) => `in left-out-specs.ts, and not left out any more: ${name}`),
    ...(exitCode !== 0 && failed.length === 0 ? [`csi-sanity ended with status ${exitCode}`] : []),
    ...(passed.length === 0 ? ['no spec passed'] : []),
  ];
}

process.exitCode = await main();
