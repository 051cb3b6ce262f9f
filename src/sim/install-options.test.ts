// What install is told: defaults, what is refused, and that the options survive the way to set-up-node.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isReason } from '../errors.ts';
import { installArguments, mounterFlags, nodeDirectory, readInstallOptions } from './install-options.ts';
import { sizeOf } from './size-text.ts';

const gibibyte = 1n << 30n;

test('only the name of the node has to be given', () => {
  const options = readInstallOptions(['--node-name', 'worker-1']);
  assert.deepEqual(options, {
    nodeName: 'worker-1',
    directory: '/var/lib/famfs-csi/sim',
    memory: '/dev/shm/famfs-csi-sim',
    temporary: '/run/famfs/tmp',
    devices: [{ name: 'dax0.0', sizeBytes: 8n * gibibyte, nodes: undefined }],
    format: { by: 'nobody' },
    samples: false,
    hostPid: 1,
  });
  assert.equal(nodeDirectory(options), '/var/lib/famfs-csi/sim/nodes/worker-1');
  assert.ok(mounterFlags(options).includes('--dev-root=/var/lib/famfs-csi/sim/nodes/worker-1/dev'));
});

test('what cannot be meant is refused with the option and what it wants', () => {
  const refusals: readonly [readonly string[], RegExp][] = [
    [[], /--node-name needs the name of a node/],
    [['--node-name=a/b'], /--node-name needs/],
    [['--node-name=..'], /--node-name needs/],
    [['--node-name=a', '--memory=shm'], /--memory needs an absolute path/],
    [['--node-name=a', '--directory=/var/../etc'], /--directory needs an absolute path/],
    [['--node-name=a', "--directory=/it's"], /--directory needs/],
    [['--node-name=a', '--device=dax0.0'], /--device is NAME=SIZE/],
    [['--node-name=a', '--device=pmem0=8GiB'], /--device is NAME=SIZE/],
    [['--node-name=a', '--device=dax0.0=8GB'], /--device is NAME=SIZE/],
    [['--node-name=a', '--device=dax0.0=3GiB'], /famfs takes no less than 4GiB/],
    [['--node-name=a', '--device=dax0.0=8GiB@'], /--device is NAME=SIZE/],
    [['--node-name=a', '--device=dax0.0=8GiB@b++c'], /--device needs the name of a node/],
    [['--node-name=a', '--device=dax0.0=8GiB', '--device=dax0.0=4GiB'], /dax0\.0 is given twice/],
    [['--node-name=a', '--format=Some Node'], /--format needs the name of a node/],
    [['--node-name=a', '--host-pid=0'], /--host-pid needs/],
    [['--node-name=a', 'more'], /no argument more/],
    [['--node-name=a', '--colour=red'], /colour/],
  ];
  for (const [argv, message] of refusals) {
    assert.throws(
      () => readInstallOptions(argv),
      (error: unknown) => {
        assert.ok(error instanceof Error && 'reason' in error && isReason(String(error.reason)));
        assert.equal(error.reason, 'config-invalid');
        assert.match(error.message, message);
        return true;
      },
    );
  }
});

test('options are the same on the other side of the host', () => {
  const nodeName = fc.stringMatching(/^[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?$/);
  const place = fc.stringMatching(/^(\/[A-Za-z0-9_-]{1,8}){1,4}$/);
  const device = fc.record({
    name: fc.nat(99).map((number) => `dax${number}.0`),
    sizeBytes: fc.bigInt(4n * gibibyte, 1n << 50n),
    nodes: fc.option(fc.array(nodeName, { minLength: 1, maxLength: 3 }), { nil: undefined }),
  });
  const options = fc.record({
    nodeName,
    directory: place,
    memory: place,
    temporary: place,
    devices: fc.uniqueArray(device, { minLength: 1, maxLength: 4, selector: ({ name }) => name }),
    format: fc.oneof(
      fc.constant({ by: 'nobody' } as const),
      fc.constant({ by: 'first' } as const),
      nodeName
        .filter((name) => name !== 'none' && name !== 'first')
        .map((node) => ({ by: 'node', node }) as const),
    ),
    samples: fc.boolean(),
    hostPid: fc.integer({ min: 1, max: 1 << 22 }),
  });
  fc.assert(
    fc.property(options, (given) => {
      assert.deepEqual(readInstallOptions(installArguments(given)), structuredClone(given));
    }),
  );
});

test('sizes are bytes, or have a binary unit', () => {
  assert.equal(sizeOf('4294967296'), 4n * gibibyte);
  assert.equal(sizeOf('8GiB'), 8n * gibibyte);
  assert.equal(sizeOf('1 tib'), 1024n * gibibyte);
  for (const text of ['', 'GiB', '8GB', '-1', '1e9', '8 GiB ', '1.5GiB'])
    assert.equal(sizeOf(text), undefined);
});
