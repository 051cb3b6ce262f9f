import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { type FakeMounter, poolA } from '../../test/fake-mounter.ts';
import {
  capability,
  codeOf,
  type ModeName,
  outcomeOf,
  type PublishRequest,
  ServedCsi,
  target,
} from '../../test/served-csi.ts';

let served: ServedCsi;
beforeEach(async () => {
  served = await ServedCsi.open();
});
afterEach(() => served.close());

/** A number that no release of the specification gives a meaning; the types rule it out. */
const unknownMode = 99 as 1;

describe('NodePublishVolume', () => {
  it('binds the directory read-only at the target', async () => {
    assert.equal(await codeOf(served.publish()), 'OK');
    const bind = served.fake.binds.get(target);
    assert.deepEqual(bind && { ...bind, mountId: 0n }, {
      target,
      poolUuid: poolA,
      path: 'models/llama',
      writable: false,
      volumeId: 'vol-1',
      mountId: 0n,
    });
  });

  const kubernetesKeys = {
    'csi.storage.k8s.io/pod.name': 'p',
    'csi.storage.k8s.io/ephemeral': 'false',
    'storage.kubernetes.io/csiProvisionerIdentity': 'x',
  };

  it('takes what Kubernetes adds to the volume context, and an upper-case UUID', async () => {
    const volumeContext = { pool: poolA.toUpperCase(), path: 'models/llama', ...kubernetesKeys };
    assert.equal(await codeOf(served.publish({ volumeContext })), 'OK');
    assert.equal(served.fake.binds.get(target)?.poolUuid, poolA);
  });

  const context = { pool: poolA, path: 'models/llama' };
  const invalid: [name: string, changes: PublishRequest, message: RegExp][] = [
    ['no volume id', { volumeId: '' }, /^volume_id is missing/],
    ['a long volume id', { volumeId: 'v'.repeat(129) }, /^volume_id has 129 bytes; the limit is 128/],
    ['a volume id with a control byte', { volumeId: 'a\nb' }, /^volume_id holds a control/],
    ['a volume id like an option', { volumeId: '--all' }, /^volume_id is "--all"/],
    ['a volume id that climbs', { volumeId: 'a/../b' }, /^volume_id/],
    ['no target', { targetPath: '' }, /^target_path is missing/],
    ['a relative target', { targetPath: 'var/x' }, /^target_path is not an absolute path/],
    ['a climbing target', { targetPath: '/var/lib/kubelet/../x' }, /^target_path has the part "\.\."/],
    ['a target with an empty part', { targetPath: '/var/lib//kubelet/x' }, /^target_path has an empty part/],
    ['the root as target', { targetPath: '/' }, /^target_path is the root/],
    ['a target with NUL', { targetPath: '/var/lib/kubelet/\0' }, /^target_path holds a control/],
    ['a target with a direction mark', { targetPath: '/var/lib/kubelet/\u202e' }, /^target_path holds/],
    ['a target over 4095 bytes', { targetPath: `/${'x'.repeat(4095)}` }, /^target_path has 4096 bytes/],
    [
      'a target with a long name',
      { targetPath: `${target}/${'x'.repeat(256)}` },
      /^target_path has a part of/,
    ],
    ['a target outside of the roots', { targetPath: '/etc/x' }, /outside of/],
    ['a relative staging path', { stagingTargetPath: 'x' }, /^staging_target_path/],
    ['a publish context', { publishContext: { a: 'b' } }, /^publish_context is not empty/],
    [
      'a large map',
      { volumeContext: { ...context, x: 'y'.repeat(4096) } },
      /^volume_context has more than 4096/,
    ],
    ['large secrets', { secrets: { x: 'y'.repeat(4096) } }, /^secrets has more than 4096/],
    ['no capability', { volumeCapability: null }, /^volume_capability is missing/],
    ['no access type', { volumeCapability: { accessMode: { mode: 3 } } }, /no access type/],
    ['no access mode', { volumeCapability: { mount: {} } }, /access_mode is missing/],
    [
      'an unknown access mode',
      { volumeCapability: { mount: {}, accessMode: { mode: unknownMode } } },
      /access_mode 99/,
    ],
    ['block', { volumeCapability: { block: {}, accessMode: { mode: 3 } } }, /volume_capability\.block/],
    [
      'a file system type',
      { volumeCapability: { ...capability(), mount: { fsType: 'ext4' } } },
      /fs_type is "ext4"/,
    ],
    [
      'a mount group',
      { volumeCapability: { ...capability(), mount: { volumeMountGroup: '1000' } } },
      /volume_mount_group/,
    ],
    [
      'a mount flag',
      { volumeCapability: capability('MULTI_NODE_READER_ONLY', ['noexe']) },
      /mount_flags has "noexe".*Did you mean "noexec"/,
    ],
    [
      'rw as flag',
      { volumeCapability: capability('MULTI_NODE_READER_ONLY', ['rw']) },
      /mount_flags has "rw"/,
    ],
    [
      'options in a flag',
      { volumeCapability: capability('MULTI_NODE_READER_ONLY', ['ro,suid']) },
      /mount_flags has "ro,suid"/,
    ],
    [
      'many flags',
      { volumeCapability: capability('MULTI_NODE_READER_ONLY', Array(2049).fill('ro')) },
      /mount_flags has more than 4096/,
    ],
    ['no pool', { volumeContext: { path: 'x' } }, /volume_context\.pool is missing/],
    ['no path', { volumeContext: { pool: poolA } }, /volume_context\.path is missing/],
    [
      'a pool that is no UUID',
      { volumeContext: { ...context, pool: 'fast' } },
      /volume_context\.pool is not the UUID/,
    ],
    [
      'an unknown key',
      { volumeContext: { ...context, acces: 'rw' } },
      /unknown key "acces".*Did you mean "access"/,
    ],
    [
      'a wrong access',
      { volumeContext: { ...context, access: 'RW' } },
      /volume_context\.access is ro, rw or rw-safe/,
    ],
    ['__proto__', { volumeContext: { ...context, ['__proto__']: 'x' } }, /unknown key "__proto__"/],
  ];
  for (const [name, changes, message] of invalid) {
    it(`refuses ${name} as INVALID_ARGUMENT and names the field`, async () => {
      const outcome = await outcomeOf(served.publish(changes));
      assert.equal(outcome.code, 'INVALID_ARGUMENT', outcome.message);
      assert.match(outcome.message, message);
      assert.equal(served.fake.binds.size, 0);
    });
  }

  const hostilePaths = [
    ...['..', '../x', 'a/../../b', '/etc', '.', './a', 'a/', 'a//b', '.meta', '.meta/.log', 'a\0b', 'a\nb'],
    ...[
      'a,b',
      'a=b',
      '-o',
      '--',
      'a/-rf',
      '$(x)',
      '`x`',
      '%2e%2e',
      'a b',
      'a\\b',
      '\u202ea',
      '🦙',
      'x'.repeat(79),
    ],
    ...["a'b", 'a"b', 'a;b', 'a|b', 'a&b', 'a*b', '\ufeffa', 'é', 'x'.repeat(4000)],
  ];
  for (const hostile of hostilePaths) {
    it(`refuses the pool path ${JSON.stringify(hostile.slice(0, 20))}`, async () => {
      const outcome = await outcomeOf(served.publish({ volumeContext: { pool: poolA, path: hostile } }));
      assert.equal(outcome.code, 'INVALID_ARGUMENT');
      assert.match(outcome.message, /volume_context\.path/);
      assert.equal(served.fake.calls.get('bind'), undefined);
    });
  }

  it('refuses inline volumes, whatever they ask for', async () => {
    const ephemeral = { 'csi.storage.k8s.io/ephemeral': 'true' };
    for (const attributes of [{}, context, { ...context, access: 'rw' }, { path: '.' }, { dataset: 'x' }]) {
      const outcome = await outcomeOf(served.publish({ volumeContext: { ...attributes, ...ephemeral } }));
      assert.equal(outcome.code, 'INVALID_ARGUMENT');
      assert.match(outcome.message, /inline/);
    }
    assert.equal(served.fake.calls.get('bind'), undefined);
  });

  const codes: [reason: Parameters<FakeMounter['failures']['set']>[1], code: string][] = [
    ['pool-not-found', 'NOT_FOUND'],
    ['path-not-found', 'NOT_FOUND'],
    ['pool-not-ready', 'UNAVAILABLE'],
    ['pool-dead', 'UNAVAILABLE'],
    ['log-refused', 'FAILED_PRECONDITION'],
    ['already-published', 'ALREADY_EXISTS'],
    ['operation-pending', 'ABORTED'],
    ['resource-exhausted', 'RESOURCE_EXHAUSTED'],
    ['internal', 'INTERNAL'],
  ];
  for (const [reason, code] of codes) {
    it(`answers ${code} when the mounter says ${reason}`, async () => {
      served.fake.failures.set('bind', reason);
      assert.equal(await codeOf(served.publish()), code);
    });
  }

  it('answers UNAVAILABLE while the mounter is away', async () => {
    await served.fake.stop();
    assert.equal(await codeOf(served.publish()), 'UNAVAILABLE');
  });
});

describe('access modes', () => {
  const readers: ModeName[] = ['SINGLE_NODE_READER_ONLY', 'MULTI_NODE_READER_ONLY'];
  const writers: ModeName[] = [
    ...(['SINGLE_NODE_WRITER', 'SINGLE_NODE_SINGLE_WRITER', 'SINGLE_NODE_MULTI_WRITER'] as const),
    ...(['MULTI_NODE_SINGLE_WRITER', 'MULTI_NODE_MULTI_WRITER'] as const),
  ];
  const writableContext = { pool: poolA, path: 'models/llama', access: 'rw' };

  for (const mode of readers) {
    it(`publish ${mode} read-only, also where writing is allowed`, async () => {
      served.fake.allowWrites = true;
      assert.equal(
        await codeOf(served.publish({ volumeCapability: capability(mode), volumeContext: writableContext })),
        'OK',
      );
      assert.equal(served.fake.binds.get(target)?.writable, false);
    });
  }

  for (const mode of writers) {
    it(`publish ${mode} writable only where the volume and the node allow it`, async () => {
      const volumeCapability = capability(mode);
      const refused = await outcomeOf(served.publish({ volumeCapability }));
      assert.equal(refused.code, 'FAILED_PRECONDITION');
      assert.match(refused.message, /ReadOnlyMany.*readOnly: true.*access: rw.*--allow-writes/);
      assert.equal(served.fake.calls.get('bind'), undefined);
      const byNode = await codeOf(served.publish({ volumeCapability, volumeContext: writableContext }));
      assert.equal(byNode, 'FAILED_PRECONDITION');
      assert.equal(served.fake.binds.size, 0);
      served.fake.allowWrites = true;
      assert.equal(await codeOf(served.publish({ volumeCapability, volumeContext: writableContext })), 'OK');
      assert.equal(served.fake.binds.get(target)?.writable, true);
    });

    it(`publish ${mode} of a volume that is only written safely with the word to the mounter`, async () => {
      served.fake.allowWrites = true;
      const volumeContext = { ...writableContext, access: 'rw-safe' };
      assert.equal(await codeOf(served.publish({ volumeCapability: capability(mode), volumeContext })), 'OK');
      assert.deepEqual(served.fake.safely, [true]);
    });

    it(`publish ${mode} of such a volume only by a mounter that heeds the word, where the node itself allows all`, async () => {
      served.fake.allowWrites = true;
      served.fake.report({ settled: true, allowWrites: 'unsafe', protocolVersion: 0 });
      const volumeCapability = capability(mode);
      const volumeContext = { ...writableContext, access: 'rw-safe' };
      const refused = await outcomeOf(served.publish({ volumeCapability, volumeContext }));
      assert.equal(refused.code, 'FAILED_PRECONDITION');
      assert.match(
        refused.message,
        /vol-1 writable only where a writer cannot stop its pool .*Replace its pod/,
      );
      assert.equal(served.fake.calls.get('bind'), undefined);
      // What does not need it goes on.
      assert.equal(await codeOf(served.publish({ volumeCapability, volumeContext, readonly: true })), 'OK');
      await served.unpublish();
      assert.equal(await codeOf(served.publish({ volumeCapability, volumeContext: writableContext })), 'OK');
      await served.unpublish();
      // The node's own setting keeps an older mounter from it.
      served.fake.report({ settled: true, allowWrites: 'safe', protocolVersion: 0 });
      assert.equal(await codeOf(served.publish({ volumeCapability, volumeContext })), 'OK');
    });

    it(`publish ${mode} read-only when the request or a flag says so`, async () => {
      served.fake.allowWrites = true;
      const flagged = capability(mode, ['ro']);
      assert.equal(
        await codeOf(served.publish({ volumeCapability: flagged, volumeContext: writableContext })),
        'OK',
      );
      assert.equal(served.fake.binds.get(target)?.writable, false);
      assert.equal(
        await codeOf(served.publish({ volumeCapability: capability(mode), readonly: true })),
        'OK',
      );
      assert.equal(served.fake.made, 1);
    });
  }

  const oneTarget: ModeName[] = [
    'SINGLE_NODE_WRITER',
    'SINGLE_NODE_READER_ONLY',
    'SINGLE_NODE_SINGLE_WRITER',
  ];
  for (const mode of [...readers, ...writers]) {
    const expected = oneTarget.includes(mode) ? 'FAILED_PRECONDITION' : 'OK';
    it(`answer a second publish in ${mode} as the specification's table says`, async () => {
      const first = { volumeCapability: capability(mode), readonly: true };
      assert.equal(await codeOf(served.publish(first)), 'OK');
      assert.equal(await codeOf(served.publish(first)), 'OK', 'same target, same arguments');
      const other = { volumeContext: { pool: poolA, path: 'models/other' } };
      assert.equal(
        await codeOf(served.publish({ ...first, ...other })),
        'ALREADY_EXISTS',
        'same target, others',
      );
      assert.equal(
        await codeOf(served.publish({ ...first, targetPath: `${target}2` })),
        expected,
        'another target',
      );
    });
  }
});

describe('NodeUnpublishVolume', () => {
  it('takes the target away, and again is success', async () => {
    await served.publish();
    assert.equal(await codeOf(served.unpublish()), 'OK');
    assert.equal(served.fake.binds.size, 0);
    assert.equal(await codeOf(served.unpublish()), 'OK');
    assert.equal(await codeOf(served.unpublish('never-seen')), 'OK');
  });

  it('needs both of its fields', async () => {
    assert.equal(await codeOf(served.unpublish('')), 'INVALID_ARGUMENT');
    assert.equal(await codeOf(served.unpublish('vol-1', '')), 'INVALID_ARGUMENT');
    assert.equal(await codeOf(served.unpublish('vol-1', '/a/../b')), 'INVALID_ARGUMENT');
  });

  it('leaves the target of another volume alone', async () => {
    await served.publish();
    assert.equal(await codeOf(served.unpublish('vol-2')), 'NOT_FOUND');
    assert.equal(served.fake.binds.size, 1);
  });
});
