import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DriverError, type Reason } from '../errors.ts';
import { commandLine, type FamfsRequest, makesMount, subjectOf } from './command-line.ts';
import type { FamfsMode } from './famfs-mode.ts';

const device = '/dev/dax0.0';
const mountPoint = '/run/famfs/pool';
const file = { mountPoint, path: 'v/abc/data' };
const creat: FamfsRequest = { name: 'creat', ...file, sizeBytes: 4096n, mode: 0o644, uid: 1000, gid: 1000 };

function refused(request: FamfsRequest, reason: Reason, mode: FamfsMode = 'fuse'): void {
  assert.throws(
    () => commandLine(request, mode),
    (error) => error instanceof DriverError && error.reason === reason,
    JSON.stringify(request, (_, value) => (typeof value === 'bigint' ? `${value}` : value)),
  );
}

test('each request becomes the command line that famfs documents', () => {
  const lines: [FamfsRequest, string][] = [
    [{ name: 'mkfs', device }, 'mkfs.famfs --fuse /dev/dax0.0'],
    [
      { name: 'mkfs', device, force: true, setDaxMode: true, logLengthBytes: 16n << 20n },
      'mkfs.famfs --fuse -M -f -l 16777216 /dev/dax0.0',
    ],
    [{ name: 'mount', device, mountPoint }, 'famfs mount --fuse /dev/dax0.0 /run/famfs/pool'],
    [
      { name: 'mount', device, mountPoint, shadowPath: '/run/famfs/s/1' },
      'famfs mount --fuse --shadow=/run/famfs/s/1 /dev/dax0.0 /run/famfs/pool',
    ],
    [{ name: 'dummy-mount', device }, 'famfs mount --fuse -D /dev/dax0.0'],
    [{ name: 'logplay', mountPoint }, 'famfs logplay /run/famfs/pool'],
    [
      { name: 'mkdir', mountPoint, path: 'v', mode: 0o755, uid: 0, gid: 0 },
      'famfs mkdir -m 755 -u 0 -g 0 /run/famfs/pool/v',
    ],
    [creat, 'famfs creat -s 4096 -m 644 -u 1000 -g 1000 /run/famfs/pool/v/abc/data'],
    [
      { ...creat, seed: 42, interleave: { stripCount: 4, bucketCount: 8, chunkBytes: 2n << 20n } },
      'famfs creat -s 4096 -m 644 -u 1000 -g 1000 -N 4 -B 8 -C 2097152 -r -S 42 /run/famfs/pool/v/abc/data',
    ],
    [{ name: 'cp', ...file, source: '/srv/data' }, 'famfs cp /srv/data /run/famfs/pool/v/abc/data'],
    [
      { name: 'cp', ...file, source: '/srv/data', mode: 0o400, owner: { uid: 5, gid: 6 } },
      'famfs cp -m 400 -u 5 -g 6 /srv/data /run/famfs/pool/v/abc/data',
    ],
    [{ name: 'fsck', mountPoint }, 'famfs fsck --fuse /run/famfs/pool'],
    [{ name: 'fsck', device }, 'famfs fsck --fuse /dev/dax0.0'],
    [{ name: 'flush', ...file }, 'famfs flush /run/famfs/pool/v/abc/data'],
    [{ name: 'flush', mountPoint, path: '.meta/.log' }, 'famfs flush /run/famfs/pool/.meta/.log'],
    [{ name: 'verify', ...file, seed: 42 }, 'famfs verify -S 42 -f /run/famfs/pool/v/abc/data'],
  ];
  for (const [request, expected] of lines) {
    const { program, args } = commandLine(request, 'fuse');
    assert.equal([program, ...args].join(' '), expected);
  }
});

test('the standalone mode is asked for by its own flag, and has no shadow', () => {
  const request: FamfsRequest = {
    name: 'mount',
    device,
    mountPoint,
    shadowPath: '/run/famfs/s/1',
    loadModule: true,
  };
  assert.deepEqual(commandLine(request, 'standalone').args, ['mount', '--nofuse', '-L', device, mountPoint]);
});

test('a mount point is refused that famfs would not find again', () => {
  for (const bad of [
    '',
    'run/famfs',
    '-famfs',
    '/run/pool',
    '/run/famfs pool',
    '/run/famfs\tpool',
    '/run/famfs\\040',
  ]) {
    refused({ name: 'mount', device, mountPoint: bad }, 'invalid-argument');
  }
  for (const bad of [
    '/run/famfs/',
    '/run//famfs',
    '/run/./famfs',
    '/run/../famfs',
    '/famfs\0',
    '/famfs\ud800',
  ]) {
    refused({ name: 'logplay', mountPoint: bad }, 'invalid-argument');
  }
  refused({ name: 'logplay', mountPoint: `/famfs/${'x'.repeat(249)}` }, 'invalid-argument');
  assert.ok(commandLine({ name: 'logplay', mountPoint: `/famfs/${'x'.repeat(248)}` }, 'fuse'));
});

test('a device is refused that is no plain absolute path', () => {
  for (const bad of [
    'dax0.0',
    '--force',
    '/dev/dax0.0,shadow=/tmp',
    '/dev/dax 0',
    '/dev/../dax0.0',
    '/dev/dax\n0',
  ]) {
    refused({ name: 'mkfs', device: bad }, 'invalid-argument');
    refused({ name: 'fsck', device: bad }, 'invalid-argument');
  }
});

test('a shadow directory is refused whose socket famfs could not reach', () => {
  const mount = { name: 'mount', device, mountPoint } as const;
  const longest = `/${'s'.repeat(101)}`;
  assert.ok(commandLine({ ...mount, shadowPath: longest }, 'fuse'));
  for (const bad of [`${longest}s`, '/run/a,b', 'run/s', '/run/a b', '/run/s/']) {
    refused({ ...mount, shadowPath: bad }, 'invalid-argument');
  }
});

test('a path in the pool is refused that famfs would log or resolve in its own way', () => {
  for (const bad of [
    '',
    '/v',
    'a//b',
    'a/../b',
    './a',
    'a/',
    '.meta',
    '.meta/.log',
    'a\nb',
    'a\0',
    'a\x7f',
  ]) {
    refused({ ...creat, path: bad }, 'invalid-argument');
  }
  refused({ name: 'flush', mountPoint, path: '.meta/.alloc.cfg' }, 'invalid-argument');
});

test('a path of 78 bytes is the longest, counted in bytes and not in characters', () => {
  assert.ok(commandLine({ ...creat, path: 'p'.repeat(78) }, 'fuse'));
  refused({ ...creat, path: 'p'.repeat(79) }, 'path-too-long');
  refused({ name: 'mkdir', mountPoint, path: 'ü'.repeat(40), mode: 0o755, uid: 0, gid: 0 }, 'path-too-long');
});

test('figures are refused that famfs would misread', () => {
  for (const sizeBytes of [0n, -4096n, 1n << 63n]) refused({ ...creat, sizeBytes }, 'invalid-argument');
  for (const mode of [-1, 0o1000, 0.5, Number.NaN]) refused({ ...creat, mode }, 'invalid-argument');
  for (const uid of [-1, 2 ** 31, 1.5, Number.NaN]) refused({ ...creat, uid }, 'invalid-argument');
  for (const seed of [0, -1, 1.5]) refused({ ...creat, seed }, 'invalid-argument');
  for (const logLengthBytes of [0n, 4n << 20n, 12n << 20n, -1n]) {
    refused({ name: 'mkfs', device, logLengthBytes }, 'invalid-argument');
  }
  for (const [stripCount, bucketCount] of [
    [0, 4],
    [17, 64],
    [4, 3],
    [4, 65],
    [1.5, 4],
  ] as const) {
    const interleave = { stripCount, bucketCount, chunkBytes: 2n << 20n };
    refused({ ...creat, interleave }, 'invalid-argument');
  }
  for (const chunkBytes of [1n << 20n, 3n << 20n, 0n]) {
    refused({ ...creat, interleave: { stripCount: 2, bucketCount: 2, chunkBytes } }, 'invalid-argument');
  }
});

test('an owner is refused that some nodes would show as root', () => {
  refused({ ...creat, uid: 0, gid: 1000 }, 'invalid-argument');
  refused({ ...creat, uid: 1000, gid: 0 }, 'invalid-argument');
});

test('famfs mounts for mkfs, mount and the fsck of a device, and for nothing else', () => {
  assert.ok(makesMount({ name: 'mkfs', device }));
  assert.ok(makesMount({ name: 'mount', device, mountPoint }));
  assert.ok(makesMount({ name: 'dummy-mount', device }));
  assert.ok(makesMount({ name: 'fsck', device }));
  assert.ok(!makesMount({ name: 'fsck', mountPoint }));
  assert.ok(!makesMount(creat));
});

test('a refusal shows the value in one line', () => {
  assert.throws(
    () => commandLine({ name: 'logplay', mountPoint: `/famfs\n${'x'.repeat(5000)}` }, 'fuse'),
    (error) => error instanceof Error && !error.message.includes('\n') && error.message.length < 500,
  );
  assert.equal(subjectOf(creat), 'famfs creat of v/abc/data in /run/famfs/pool');
});

const hostile = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.stringMatching(/^-{1,2}[a-z]{1,10}(=[a-z/]{0,10})?$/),
  fc.constantFrom(
    '--',
    '-f',
    '-k',
    '--force',
    '/famfs/--force',
    '/famfs',
    ';reboot',
    '$(reboot)',
    '/famfs,x',
    'a/-f',
  ),
);
const modes = fc.constantFrom<FamfsMode>('fuse', 'standalone');

interface Texts {
  readonly device: string;
  readonly mountPoint: string;
  readonly shadowPath: string;
  readonly path: string;
  readonly source: string;
}

const harmless: Texts = {
  device,
  mountPoint,
  shadowPath: '/run/famfs/s/1',
  path: 'v/abc/data',
  source: '/srv/data',
};

const texts = fc.record<Texts>({
  device: fc.oneof(fc.constant(harmless.device), hostile),
  mountPoint: fc.oneof(fc.constant(harmless.mountPoint), hostile),
  shadowPath: fc.oneof(fc.constant(harmless.shadowPath), hostile),
  path: fc.oneof(fc.constant(harmless.path), hostile),
  source: fc.oneof(fc.constant(harmless.source), hostile),
});

/** A request of every kind that takes text. */
function requestsWith(given: Texts): FamfsRequest[] {
  const place = { mountPoint: given.mountPoint, path: given.path };
  return [
    { name: 'mkfs', device: given.device },
    { name: 'mount', device: given.device, mountPoint: given.mountPoint, shadowPath: given.shadowPath },
    { name: 'dummy-mount', device: given.device },
    { name: 'logplay', mountPoint: given.mountPoint },
    { name: 'mkdir', ...place, mode: 0o755, uid: 0, gid: 0 },
    { name: 'creat', ...place, sizeBytes: 1n, mode: 0o644, uid: 0, gid: 0 },
    { name: 'cp', ...place, source: given.source },
    { name: 'fsck', mountPoint: given.mountPoint },
    { name: 'fsck', device: given.device },
    { name: 'flush', ...place },
    { name: 'verify', ...place, seed: 1 },
  ];
}

/** Which words of a command line are options, and where the others stand. */
function shapeOf(request: FamfsRequest, mode: FamfsMode): string[] {
  const { args } = commandLine(request, mode);
  return args.map((word) =>
    word.startsWith('-') ? word.replace(/=.*$/s, '=') : word.startsWith('/') ? '/' : word,
  );
}

test('no text whatever becomes an option or an additional word of a command line', () => {
  const models = requestsWith(harmless);
  let accepted = 0;
  fc.assert(
    fc.property(texts, modes, (given, mode) => {
      for (const [index, request] of requestsWith(given).entries()) {
        let shape: string[];
        try {
          shape = shapeOf(request, mode);
        } catch (error) {
          assert.ok(error instanceof DriverError, String(error));
          assert.ok(['invalid-argument', 'path-too-long'].includes(error.reason));
          continue;
        }
        const model = models[index];
        assert.ok(model !== undefined);
        assert.deepEqual(shape, shapeOf(model, mode));
        assert.ok(
          commandLine(request, mode).args.every((word) => !word.includes('\0') && word.isWellFormed()),
        );
        accepted += 1;
      }
    }),
    { numRuns: 500 },
  );
  assert.ok(accepted > 1000, `only ${accepted} of the lines were accepted`);
});
