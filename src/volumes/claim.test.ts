import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { claimUidOf, parseClaim } from './claim.ts';

const parameters = (namespace: string, name: string): Record<string, string> => ({
  'csi.storage.k8s.io/pvc/namespace': namespace,
  'csi.storage.k8s.io/pvc/name': name,
  'csi.storage.k8s.io/pv/name': 'pvc-1',
  pool: 'models',
});

describe('the claim of a volume', () => {
  it('is what the provisioner adds to the parameters, and nothing when it adds none', () => {
    assert.deepEqual(parseClaim(parameters('team-a', 'weights.v2')), {
      namespace: 'team-a',
      name: 'weights.v2',
    });
    assert.equal(parseClaim({ pool: 'models' }), undefined);
    assert.equal(parseClaim({ 'csi.storage.k8s.io/pvc/name': 'weights' }), undefined);
  });

  it('has a name that a claim can have', () => {
    for (const name of ['', 'Weights', '-a', 'a/b', '../a', 'a\n', 'a'.repeat(254)])
      assert.throws(() => parseClaim(parameters('team-a', name)), { reason: 'invalid-argument' }, name);
    for (const namespace of ['', 'Team', 'a.b', 'a'.repeat(64)])
      assert.throws(
        () => parseClaim(parameters(namespace, 'weights')),
        { reason: 'invalid-argument' },
        namespace,
      );
  });

  it('has the uid that the name of the volume ends with', () => {
    const uid = '4da8f6be-8dbd-4bfc-bad2-3c0f78ba87bf';
    assert.equal(claimUidOf(`pvc-${uid}`), uid);
    assert.equal(claimUidOf(`famfs-models-${uid}`), uid);
    for (const name of ['pvc-4da8f6be', 'one', uid, `pvc-${uid}0`]) assert.equal(claimUidOf(name), undefined);
  });
});
