// Pods that are not root, and groups: files are whose their class says, and no pod's start changes that.
import assert from 'node:assert/strict';
import { beginning, write } from '../world/file-content.ts';
import { scenario } from '../world/scenario.ts';
import { storageClass } from '../world/storage-class.ts';
import type { World } from '../world/world.ts';

const owner = 1000;
const group = 2000;

scenario(
  'files belong to the owner and group of their class: the owner writes, the group reads, fsGroup makes a pod one of the group and changes nothing',
  async (world) => {
    const parameters = { pool: 'both', uid: String(owner), gid: String(group), fileMode: '0640' };
    await world.claim('data', await storageClass(world, 'owned', parameters), '2Mi');
    const someone = { runAsUser: 1001, runAsGroup: 3000, runAsNonRoot: true };
    const volumes = [{ claim: 'data' }];
    const people = {
      owner: { ...someone, runAsUser: owner },
      'in-group': { ...someone, supplementalGroups: [group] },
      'by-fs-group': { ...someone, fsGroup: group, fsGroupChangePolicy: 'Always' },
      'other-fs-group': { ...someone, fsGroup: 4000, fsGroupChangePolicy: 'Always' },
      nobody: someone,
    };
    await Promise.all(
      Object.entries(people).map(([name, securityContext]) => world.pod({ name, securityContext, volumes })),
    );
    await write(world, 'owner', '/data/data', 'secret');
    for (const pod of ['owner', 'in-group', 'by-fs-group'])
      assert.equal(await beginning(world, pod, '/data/data', 6), 'secret');
    for (const pod of ['other-fs-group', 'nobody']) await deniedIn(world, pod, 'head -c 6 /data/data');
    for (const pod of ['in-group', 'by-fs-group', 'other-fs-group', 'nobody'])
      await deniedIn(world, pod, 'printf x | dd of=/data/data conv=notrunc');
    assert.equal(
      await world.inPod('nobody', 'stat', '-c', '%u:%g %a', '/data/data'),
      `${owner}:${group} 640\n`,
    );
  },
);

scenario(
  'a pod under the restricted standard reads and writes a claim of an ordinary class',
  async (world) => {
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    await world.api.merge({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: world.namespace, labels },
    });
    await world.claim('data', 'both', '2Mi');
    const container = {
      name: 'main',
      image: world.images.smallImage,
      imagePullPolicy: 'IfNotPresent',
      command: ['sleep', '1000000'],
      securityContext: {
        allowPrivilegeEscalation: false,
        capabilities: { drop: ['ALL'] },
        readOnlyRootFilesystem: true,
      },
      volumeMounts: [{ name: 'v0', mountPath: '/data' }],
    };
    const securityContext = {
      runAsNonRoot: true,
      runAsUser: 12345,
      runAsGroup: 12345,
      fsGroup: 12345,
      seccompProfile: { type: 'RuntimeDefault' },
    };
    const spec = { containers: [container] };
    await world.pod({ name: 'restricted', securityContext, volumes: [{ claim: 'data' }], spec });
    await write(world, 'restricted', '/data/data', 'mine');
    assert.equal(await beginning(world, 'restricted', '/data/data', 4), 'mine');
  },
);

async function deniedIn(world: World, pod: string, command: string): Promise<void> {
  const { status, stderr } = await world.tryInPod(pod, 'sh', '-c', command);
  assert.notEqual(status, 0, `${command} in ${pod}`);
  assert.match(stderr, /Permission denied/);
}
