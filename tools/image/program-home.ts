// The program as it lies in the image, in a folder of this machine: for whoever measures what users will have.
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type Bundle, makeBundle } from '../bundle.ts';
import { projectRoot } from '../run-tool.ts';

/**
 * Fills an existing folder with what the image has in /opt/famfs-csi: Node, bundles, what they load, and the command that starts
 * them with its flags for V8.
 * @returns the words of that command; a role and its flags follow
 */
export async function makeProgramHome(home: string, wanted: readonly Bundle[]): Promise<readonly string[]> {
  mkdirSync(path.join(home, 'bin'));
  symlinkSync(process.execPath, path.join(home, 'bin/node'));
  symlinkSync(path.join(projectRoot, 'node_modules'), path.join(home, 'node_modules'));
  mkdirSync(path.join(home, 'dist'));
  writeFileSync(path.join(home, 'dist/package.json'), '{"type":"commonjs"}');
  for (const bundle of wanted) await makeBundle(bundle, path.join(home, 'dist'));
  const launcher = readFileSync(path.join(import.meta.dirname, 'famfs-csi.sh'), 'utf8');
  writeFileSync(path.join(home, 'famfs-csi'), launcher.replace('/opt/famfs-csi', home));
  return ['/bin/sh', path.join(home, 'famfs-csi')];
}
