import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import { poolA, poolB } from '../../test/fake-mounter.ts';
import { codeOf, outcomeOf, ServedCsi, target } from '../../test/served-csi.ts';
import { waitUntil } from '../../test/wait-until.ts';

let served: ServedCsi;
beforeEach(async () => {
  served = await ServedCsi.open();
});
afterEach(() => served.close());

describe('calls at once', () => {
  it('make one bind out of 32 identical publishes', async () => {
    const codes = await Promise.all(Array.from({ length: 32 }, () => codeOf(served.publish())));
    assert.ok(codes.includes('OK'));
    assert.deepEqual(
      codes.filter((code) => code !== 'OK' && code !== 'ABORTED'),
      [],
    );
    assert.equal(served.fake.made, 1);
  });

  it('end in what some order of 32 mixed ones would give', async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 32 }, (_, index) =>
        codeOf(index % 2 === 0 ? served.publish() : served.unpublish()),
      ),
    );
    assert.ok(outcomes.every((code) => code === 'OK' || code === 'ABORTED'));
    assert.ok(served.fake.binds.size <= 1);
    assert.equal(await codeOf(served.publish()), 'OK', 'no lock stays behind');
    assert.equal(served.fake.binds.size, 1);
  });

  it('refuse a second call for a busy volume or target, and let others pass', async () => {
    const release = Promise.withResolvers<void>();
    served.fake.gate = (verb) => (verb === 'bind' ? release.promise : Promise.resolve());
    const first = codeOf(served.publish());
    await waitUntil('the first call waits in the mounter', () => served.fake.calls.get('bind') === 1);
    assert.equal(await codeOf(served.publish({ targetPath: `${target}2` })), 'ABORTED', 'same volume');
    assert.equal(await codeOf(served.publish({ volumeId: 'vol-2' })), 'ABORTED', 'same target');
    assert.equal(await codeOf(served.unpublish()), 'ABORTED');
    const other = codeOf(served.publish({ volumeId: 'vol-2', targetPath: `${target}2` }));
    await waitUntil('another volume gets through', () => served.fake.calls.get('bind') === 2);
    release.resolve();
    assert.deepEqual(await Promise.all([first, other]), ['OK', 'OK']);
  });

  it('pass the deadline on and free the volume when it is over', async () => {
    await served.unpublish(); // connects, so that the deadline is not spent on that
    const seen = Promise.withResolvers<void>();
    served.fake.gate = (_verb, signal) =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          seen.resolve();
          resolve();
        });
      });
    assert.equal(await codeOf(served.publish({}, { timeoutMs: 1000 })), 'DEADLINE_EXCEEDED');
    await seen.promise;
    served.fake.gate = undefined;
    await waitUntil('the volume is free', async () => (await codeOf(served.publish())) === 'OK');
  });

  it('say that the pool is still being mounted when that is what takes the time', async () => {
    await served.follow();
    served.fake.gate = () => new Promise(() => {});
    const volumeContext = { pool: poolB, path: 'data' };
    const { code, message } = await outcomeOf(served.publish({ volumeContext }, { timeoutMs: 10_000 }));
    assert.equal(code, 'UNAVAILABLE');
    assert.match(message, /still being mounted/);
  });

  it('pass a withdrawal on', async () => {
    const seen = Promise.withResolvers<void>();
    served.fake.gate = (_verb, signal) =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          seen.resolve();
          resolve();
        });
      });
    const controller = new AbortController();
    const call = codeOf(served.publish({}, { signal: controller.signal }));
    await waitUntil('the call waits in the mounter', () => served.fake.calls.get('bind') === 1);
    controller.abort();
    assert.equal(await call, 'CANCELLED');
    await seen.promise;
  });
});

describe('any sequence of calls', () => {
  const step = fc.record({
    publish: fc.boolean(),
    volume: fc.constantFrom('vol-1', 'vol-2'),
    place: fc.constantFrom('a', 'b'),
    times: fc.integer({ min: 1, max: 3 }),
  });

  it('answers a repeated call as it answered the first, and leaves what the model says', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const model = new Map<string, string>();
        served.fake.binds.clear();
        for (const { publish: isPublish, volume, place, times } of steps) {
          const targetPath = `/var/lib/kubelet/pods/${place}`;
          const holder = model.get(targetPath);
          const conflict = holder !== undefined && holder !== volume;
          const call = (): Promise<string> =>
            codeOf(
              isPublish
                ? served.publish({ volumeId: volume, targetPath })
                : served.unpublish(volume, targetPath),
            );
          for (let time = 0; time < times; time++) {
            const expected = conflict ? (isPublish ? 'ALREADY_EXISTS' : 'NOT_FOUND') : 'OK';
            assert.equal(await call(), expected);
          }
          if (!conflict && isPublish) model.set(targetPath, volume);
          if (!conflict && !isPublish) model.delete(targetPath);
          const now = [...served.fake.binds.values()].map((bind) => [bind.target, bind.volumeId]);
          assert.deepEqual(new Map(now as [string, string][]), model);
        }
      }),
      { numRuns: 40 },
    );
  });
});

describe('random requests', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.constantFrom('', '/', poolA, target),
  );
  const map = fc.dictionary(text, text, { maxKeys: 4 });

  it('are answered with a code of the table, never INTERNAL or UNKNOWN', async () => {
    const allowed = ['OK', 'INVALID_ARGUMENT', 'NOT_FOUND', 'ALREADY_EXISTS', 'FAILED_PRECONDITION'];
    const anyRequest = fc.record({
      volumeId: text,
      targetPath: text,
      stagingTargetPath: text,
      readonly: fc.boolean(),
      secrets: map,
      volumeContext: map,
      volumeCapability: fc.record({
        mount: fc.record({ fsType: text, mountFlags: fc.array(text, { maxLength: 3 }) }),
        accessMode: fc.record({ mode: fc.integer({ min: -5, max: 12 }) }),
      }),
    });
    await fc.assert(
      fc.asyncProperty(anyRequest, async (random) => {
        const code = await codeOf(served.node.nodePublishVolume(random));
        assert.ok(allowed.includes(code), code);
      }),
      { numRuns: 300 },
    );
  });
});
