import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { poolA } from '../../test/fake-mounter.ts';
import { codeOf, ServedCsi, target } from '../../test/served-csi.ts';
import { waitUntil } from '../../test/wait-until.ts';

let served: ServedCsi;
beforeEach(async () => {
  served = await ServedCsi.open();
});
afterEach(() => served.close());

describe('the log', () => {
  it('never holds a secret or a token, at any level, in success and in failure', async () => {
    const canary = 'CANARY-7f3a';
    const secrets = { password: canary };
    const volumeContext = {
      pool: poolA,
      path: 'models/llama',
      'csi.storage.k8s.io/serviceAccount.tokens': `{"x":"${canary}"}`,
    };
    await served.publish({ secrets, volumeContext });
    await codeOf(served.publish({ secrets: { x: canary.repeat(1000) } }));
    served.fake.failures.set('bind', 'internal');
    await codeOf(served.publish({ secrets, volumeContext, targetPath: `${target}2` }));
    await served.node.nodeGetStorageHealth({ secrets });
    await waitUntil('all calls are logged', () => served.logged.split('"call f').length >= 5);
    assert.doesNotMatch(served.logged, /CANARY/);
    assert.match(served.logged, /withheld/);
  });

  it('has one line per call with method, request id, volume, duration and code', async () => {
    await served.publish();
    await codeOf(served.publish({ targetPath: '' }));
    await waitUntil('both are logged', () => served.logged.split('"call f').length >= 3);
    const lines = served.logged
      .split('\n')
      .filter((line) => line.includes('"call f'))
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      lines.map(({ level, message, method, volumeId, code, reason }) => ({
        level,
        message,
        method,
        volumeId,
        code,
        reason,
      })),
      [
        {
          level: 'info',
          message: 'call finished',
          method: 'NodePublishVolume',
          volumeId: 'vol-1',
          code: 'OK',
          reason: undefined,
        },
        {
          level: 'warn',
          message: 'call failed',
          method: 'NodePublishVolume',
          volumeId: 'vol-1',
          code: 'INVALID_ARGUMENT',
          reason: 'invalid-argument',
        },
      ],
    );
    assert.ok(lines.every((line) => line.durationMs >= 0 && line.requestId !== ''));
    assert.notEqual(lines[0].requestId, lines[1].requestId);
  });
});
