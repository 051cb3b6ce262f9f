// The programs that tests start by the hundred, bundled from the sources as they are: driver and simulator start twice as
// fast then as from the sources themselves. Kept in node_modules/.cache under a key made of everything that went in.
import { createHash } from 'node:crypto';
import {
  existsSync,
  globSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { stop } from 'esbuild';
import { compileCache } from '../test/driver-process.ts';
import { bundles, makeBundle } from './bundle.ts';
import { projectRoot } from './run-tool.ts';

const cache = path.join(projectRoot, 'node_modules/.cache/famfs-csi-programs');
/** Another run of tests may still be using what was made for it. */
const keptMs = 24 * 3_600_000;

/** Holds the command line of every role, and loads the bundle that has the role's code. */
const dispatcher = `const bundles = { mounter: 'mounter', 'mounter-worker': 'mounter', node: 'node', agent: 'agent', controller: 'controller' };
require('./' + (bundles[process.argv[2]] ?? 'famfs-csi') + '.cjs');
`;

/**
 * Bundles driver and simulator unless that was done before. Sources that do not fit together are told, and left to the
 * tests that start them.
 * @returns what tells tests where the programs are: a variable for their environment
 */
export async function bundleForTests(): Promise<NodeJS.ProcessEnv> {
  const folder = path.join(cache, digestOfSources());
  try {
    if (!existsSync(folder)) await build(folder);
    return { FAMFS_CSI_TEST_PROGRAMS: folder };
  } catch (error) {
    console.error(
      `Tests start driver and simulator from the sources, which make no bundle: ${String(error)}`,
    );
    return {};
  } finally {
    await stop();
  }
}

/** Every test file is a process of its own, which loads the sources faster when another has compiled them. */
export function cachedCompilation(): NodeJS.ProcessEnv {
  return { NODE_COMPILE_CACHE: compileCache() };
}

async function build(folder: string): Promise<void> {
  const unfinished = `${folder}.${process.pid}`;
  mkdirSync(unfinished, { recursive: true });
  writeFileSync(path.join(unfinished, 'package.json'), '{"type":"commonjs"}\n');
  writeFileSync(path.join(unfinished, 'driver.cjs'), dispatcher);
  for (const bundle of bundles) await makeBundle(bundle, unfinished);
  try {
    renameSync(unfinished, folder);
  } catch {
    // Somebody else has made the same at the same time.
    rmSync(unfinished, { recursive: true });
  }
  for (const name of readdirSync(cache)) {
    const old = path.join(cache, name);
    const { mtimeMs } = statSync(old, { throwIfNoEntry: false }) ?? {};
    if (mtimeMs !== undefined && Date.now() - mtimeMs > keptMs) rmSync(old, { recursive: true, force: true });
  }
}

function digestOfSources(): string {
  const hash = createHash('sha256');
  const patterns = ['src/**/*.{ts,js,json}', 'proto/*', 'tools/bundle.ts', 'tools/bundle/*'];
  const others = ['tools/test-programs.ts', 'package.json', 'package-lock.json'];
  for (const file of [...globSync(patterns, { cwd: projectRoot }), ...others].sort()) {
    if (!file.endsWith('.test.ts'))
      hash.update(`\0${file}\0`).update(readFileSync(path.join(projectRoot, file)));
  }
  return hash.digest('hex').slice(0, 16);
}
