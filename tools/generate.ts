// Turns proto/*.proto into the JavaScript reflection modules and declarations that the code imports.
// Output is not committed; tools/bootstrap.mjs calls this when a proto is newer than what it generated.
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';

const root = path.dirname(import.meta.dirname);

/** One root name per module, so that two generated modules never share protobufjs state. */
const modules = [
  { proto: 'csi', room: 'csi' },
  { proto: 'mounter', room: 'mounter' },
  { proto: 'registration', room: 'kubelet' },
] as const;

for (const { proto, room } of modules) {
  const folder = path.join(root, 'src', room, 'generated');
  mkdirSync(folder, { recursive: true });
  const options = ['-t', 'json-module', '-w', 'esm', '-d', '--null-semantics', '-r', `famfs_csi_${proto}`];
  execFileSync(
    path.join(root, 'node_modules/.bin/pbjs'),
    [...options, '-o', path.join(folder, `${proto}.js`), path.join(root, 'proto', `${proto}.proto`)],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  );
}
