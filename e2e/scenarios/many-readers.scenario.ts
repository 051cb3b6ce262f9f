// One volume, read by many.
import assert from 'node:assert/strict';
import { beginning, write } from '../world/file-content.ts';
import { scenario } from '../world/scenario.ts';

const podsOfNode = 10;
const startTimeoutMs = 400_000;

scenario(
  'twenty pods on two nodes read one volume at the same time, and all see the same bytes',
  async (world) => {
    await world.claim('data', 'both', '8Mi');
    await world.pod({ name: 'writer', node: 'node-a', volumes: [{ claim: 'data' }] });
    const fill = 'dd if=/dev/urandom of=/data/data bs=1M count=8 conv=notrunc';
    await world.inPod('writer', 'sh', '-c', `${fill} && sha256sum /data/data`);
    const written = await world.inPod('writer', 'sha256sum', '/data/data');
    const pods = ['node-a', 'node-b'].flatMap((node) =>
      Array.from({ length: podsOfNode }, (_, index) => ({ name: `reader-${node}-${index}`, node })),
    );
    const volumes = [{ claim: 'data', readOnly: true }];
    await Promise.all(pods.map((pod) => world.pod({ ...pod, volumes }, startTimeoutMs)));
    const read = await Promise.all(pods.map(({ name }) => world.inPod(name, 'sha256sum', '/data/data')));
    assert.deepEqual(new Set(read), new Set([written]));
    // Nothing was copied for any of them: what is written now is what they read next.
    await write(world, 'writer', '/data/data', 'again');
    const beginnings = await Promise.all(pods.map(({ name }) => beginning(world, name, '/data/data', 5)));
    assert.deepEqual(new Set(beginnings), new Set(['again']));
  },
  { timeoutMs: 600_000 },
);
