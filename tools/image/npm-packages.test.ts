import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Metafile } from 'esbuild';
import { projectRoot } from '../run-tool.ts';
import { licenseTexts, packageFolderOf, packagesOfBundles } from './npm-packages.ts';

describe('the packages in bundles', () => {
  test('are known by the folder that a file lies in', () => {
    const folders: Readonly<Record<string, string | undefined>> = {
      'node_modules/winston/lib/winston.js': 'node_modules/winston',
      'node_modules/@grpc/grpc-js/build/src/index.js': 'node_modules/@grpc/grpc-js',
      'node_modules/a/node_modules/@b/c/index.js': 'node_modules/a/node_modules/@b/c',
      'src/main.ts': undefined,
      'node_modules/.package-lock.json': undefined,
    };
    for (const [file, folder] of Object.entries(folders)) assert.equal(packageFolderOf(file), folder, file);
  });

  test('have the version and license that lie with them, and are told once', () => {
    const inputs = [
      'src/main.ts',
      'node_modules/commander/lib/a.js',
      'node_modules/commander/lib/b.js',
      'node_modules/@grpc/grpc-js/index.js',
    ];
    const metafile = { inputs: Object.fromEntries(inputs.map((input) => [input, {}])) } as Metafile;
    const found = packagesOfBundles(projectRoot, [metafile, metafile]);
    assert.deepEqual(
      found.map(({ name, license }) => [name, license]),
      [
        ['@grpc/grpc-js', 'Apache-2.0'],
        ['commander', 'MIT'],
      ],
    );
    for (const { version, directory } of found) {
      assert.match(version, /^\d+\.\d+\.\d+/);
      assert.match(licenseTexts(directory).join('\n'), /license/i);
    }
  });
});
