import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { DriverError } from '../errors.ts';
import { targetBelowRoot } from './target-path.ts';

const roots = ['/var/lib/kubelet', '/data/kubelet'];

/** Texts that look like paths, with everything in them that has ever led a path elsewhere. */
const hostileTarget = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '..',
        '.',
        '',
        '/',
        '//',
        '\0',
        '~',
        '%2e%2e',
        'var',
        'lib',
        'kubelet',
        'pods',
        '\n',
        ' ',
      ),
      fc.constantFrom('/var/lib/kubelet', '/var/lib/kubelet/', '/var/lib/kubelet-evil', '/data/kubelet'),
      fc.string(),
    ),
    { maxLength: 8 },
  )
  .chain((parts) => fc.constantFrom(parts.join('/'), `/${parts.join('/')}`, parts.join('')));

test('whatever text is given as a target, what is accepted lies below a root, without a detour', () => {
  fc.assert(
    fc.property(hostileTarget, (target) => {
      let place: { root: string; relative: string };
      try {
        place = targetBelowRoot(target, roots);
      } catch (error) {
        assert.ok(error instanceof DriverError);
        assert.ok(['invalid-argument', 'outside-allowed-root'].includes(error.reason), error.reason);
        return;
      }
      assert.ok(roots.includes(place.root));
      assert.equal(path.join(place.root, place.relative), target, 'it is the very path that was asked for');
      const steps = place.relative.split('/');
      assert.ok(steps.length > 0);
      for (const step of steps) {
        assert.ok(
          step !== '' && step !== '.' && step !== '..' && !step.includes('\0'),
          JSON.stringify(target),
        );
      }
    }),
    { numRuns: 20_000 },
  );
});

test('a plain path below a root is always accepted', () => {
  const name = fc.stringMatching(/^[A-Za-z0-9_~-][A-Za-z0-9_.~-]{0,20}$/);
  fc.assert(
    fc.property(fc.constantFrom(...roots), fc.array(name, { minLength: 1, maxLength: 8 }), (root, names) => {
      assert.deepEqual(targetBelowRoot(`${root}/${names.join('/')}`, roots), {
        root,
        relative: names.join('/'),
      });
    }),
  );
});

test('a root itself, its neighbour and a path above it are refused with the way out', () => {
  for (const target of ['/var/lib/kubelet', '/var/lib/kubelet-evil/pods/x', '/var/lib', '/etc/cron.d']) {
    assert.throws(() => targetBelowRoot(target, roots), {
      reason: 'outside-allowed-root',
      message: /--kubelet-dir/,
    });
  }
});

test('a path with a detour, an end of its own or no beginning is a mistake of the caller', () => {
  const mistakes = [
    '',
    'pods/x',
    '/var/lib/kubelet/../../etc',
    '/var/lib/kubelet//pods',
    '/var/lib/kubelet/pods/',
  ];
  for (const target of [...mistakes, '/var/lib/kubelet/./pods', '/var/lib/kubelet/pods\0/x']) {
    assert.throws(
      () => targetBelowRoot(target, roots),
      { reason: 'invalid-argument' },
      JSON.stringify(target),
    );
  }
});
