import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DriverError } from '../errors.ts';
import { decideAccess, isAccessMode } from './access.ts';
import { parseMountFlags } from './mount-flags.ts';
import { parsePoolPath } from './pool-path.ts';
import { parseVolumeContext } from './volume-context.ts';

const uuid = 'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee';

/** The value, or the reason why there is none; anything but a DriverError fails the test. */
function outcome<T>(work: () => T): T | string {
  try {
    return work();
  } catch (error) {
    assert.ok(error instanceof DriverError, String(error));
    assert.ok(error.message.length < 1500, 'a message repeats a huge value');
    return error.reason;
  }
}

const hostileText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc
    .array(fc.constantFrom('..', '.', '/', 'a', '-', '.meta', ' ', '\0', ',', '='), { maxLength: 12 })
    .map((parts) => parts.join('')),
);

describe('a pool path', () => {
  it('is refused, or stays below the root whatever is done with it', () => {
    fc.assert(
      fc.property(hostileText, (text) => {
        const result = outcome(() => parsePoolPath(text, 'path'));
        if (result !== text) {
          assert.ok(result === 'invalid-argument' || result === 'path-too-long');
          return;
        }
        assert.ok(Buffer.byteLength(text) <= 78);
        assert.match(text, /^[A-Za-z0-9._+@~:/-]+$/);
        for (const part of text.split('/'))
          assert.ok(part !== '' && part !== '.' && part !== '..' && !part.startsWith('-'));
        assert.notEqual(text.split('/')[0], '.meta');
      }),
      { numRuns: 3000 },
    );
  });

  it('is accepted when its parts are plain', () => {
    const part = fc.stringMatching(/^[a-z0-9_][A-Za-z0-9._-]{0,10}$/);
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), (parts) => {
        assert.equal(
          outcome(() => parsePoolPath(parts.join('/'), 'path')),
          parts.join('/'),
        );
      }),
    );
  });
});

describe('a volume context', () => {
  it('yields a volume or a refusal for any map', () => {
    const key = fc.oneof(
      fc.constantFrom('pool', 'path', 'access', 'csi.storage.k8s.io/ephemeral'),
      hostileText,
    );
    const value = fc.oneof(fc.constantFrom(uuid, 'models/llama', 'rw', 'rw-safe', 'ro', 'true'), hostileText);
    fc.assert(
      fc.property(fc.dictionary(key, value), (attributes) => {
        const result = outcome(() => parseVolumeContext(attributes));
        if (attributes['csi.storage.k8s.io/ephemeral'] === 'true') assert.equal(result, 'inline-refused');
        if (typeof result === 'object') assert.equal(result.pool, attributes.pool?.toLowerCase());
      }),
      { numRuns: 2000 },
    );
  });

  it('does not take inherited names for attributes', () => {
    const attributes = Object.create({ pool: uuid, path: 'x' });
    assert.equal(
      outcome(() => parseVolumeContext(attributes)),
      'invalid-argument',
    );
  });
});

describe('access', () => {
  const mode = fc
    .constantFrom(
      ...[
        'SINGLE_NODE_WRITER',
        'SINGLE_NODE_READER_ONLY',
        'MULTI_NODE_READER_ONLY',
        'MULTI_NODE_SINGLE_WRITER',
      ],
      ...['MULTI_NODE_MULTI_WRITER', 'SINGLE_NODE_SINGLE_WRITER', 'SINGLE_NODE_MULTI_WRITER'],
    )
    .filter(isAccessMode);

  it('is writable only when mode, flag and volume all say so', () => {
    fc.assert(
      fc.property(mode, fc.boolean(), fc.constantFrom('ro', 'rw', 'rw-safe'), (chosen, readOnly, access) => {
        const result = outcome(() => decideAccess({ mode: chosen, readOnly, access }));
        const wantsToWrite = /WRITER/.test(chosen) && !readOnly;
        if (wantsToWrite && access === 'ro') assert.equal(result, 'writes-refused');
        else assert.equal(typeof result === 'object' && result.writable, wantsToWrite);
        const isSafe = typeof result === 'object' && result.onlySafely;
        assert.equal(isSafe, wantsToWrite && access === 'rw-safe');
      }),
    );
  });

  it('knows no mode beside those of the specification', () => {
    for (const name of ['UNKNOWN', 'constructor', '', undefined]) assert.equal(isAccessMode(name), false);
  });
});

describe('mount flags', () => {
  it('are on the list or refused', () => {
    const good = ['ro', 'exec', 'noexec', 'nosuid', 'nodev', 'noatime', 'nodiratime', 'relatime'];
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constantFrom(...good), hostileText), { maxLength: 5 }), (flags) => {
        const result = outcome(() => parseMountFlags(flags));
        const contradictory = flags.includes('exec') && flags.includes('noexec');
        if (flags.every((flag) => good.includes(flag)) && !contradictory) {
          assert.deepEqual(result, { readOnly: flags.includes('ro'), allowExec: flags.includes('exec') });
        } else {
          assert.equal(result, 'invalid-argument');
        }
      }),
      { numRuns: 1000 },
    );
  });
});
