// The driver as it is shipped: bundles, made anew for every run so that what is measured is what is in the tree.
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { bundles, makeBundle } from '../tools/bundle.ts';
import { projectRoot } from '../tools/run-tool.ts';

/** How a role is started: the words before its flags. */
export interface Programs {
  readonly node: readonly string[];
  readonly mounter: readonly string[];
}

/** Bundles both processes of a node into a new folder. */
export async function buildPrograms(folder: string): Promise<Programs> {
  mkdirSync(folder);
  writeFileSync(path.join(folder, 'package.json'), '{"type":"commonjs"}\n');
  // koffi is not part of a bundle: it loads a native library.
  symlinkSync(path.join(projectRoot, 'node_modules'), path.join(folder, 'node_modules'));
  return { node: await buildProgram('node', folder), mounter: await buildProgram('mounter', folder) };
}

/** Bundles one role into a folder that `buildPrograms` has made. */
export async function buildProgram(name: string, folder: string): Promise<readonly string[]> {
  const bundle = bundles.find((each) => each.name === name);
  if (bundle === undefined) throw new Error(`tools/bundle.ts makes no bundle "${name}"`);
  const { file } = await makeBundle(bundle, folder);
  return [process.execPath, file, name];
}
