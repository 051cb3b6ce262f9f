// What the image is made of, and a key that changes when any of it does. Must not know how it is built.
import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** Files and folders of the project that the build sees; .dockerignore leaves everything else out. */
export const imageInputs: readonly string[] = [
  '.npmrc',
  'LICENSE',
  'package-lock.json',
  'package.json',
  'proto',
  'src',
  'tools/bundle',
  'tools/bundle.ts',
  'tools/generate.ts',
  'tools/image',
  'tools/run-tool.ts',
];

/** Those that decide what the first stage fetches; it is built anew only when they change. */
export const fetchedInputs: readonly string[] = [
  '.npmrc',
  'package-lock.json',
  'package.json',
  'tools/image/fetch-debian.sh',
  'tools/image/fetch-native.ts',
  'tools/image/lockfile.ts',
  'tools/image/native-packages.ts',
];

/** A key of the contents of these files and folders, and of `salt`. Generated code and tests do not count. */
export function keyOfInputs(root: string, inputs: readonly string[], salt: readonly string[]): string {
  const hash = createHash('sha256').update(JSON.stringify(salt));
  const files = inputs
    .flatMap((input) => globSync([input, `${input}/**`], { cwd: root, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)))
    .filter((file) => !/(?:^|\/)generated\/|\.test\.ts$/.test(file));
  for (const file of [...new Set(files)].sort()) {
    hash.update(`\0${file}\0`).update(readFileSync(path.join(root, file)));
  }
  return hash.digest('hex').slice(0, 32);
}
