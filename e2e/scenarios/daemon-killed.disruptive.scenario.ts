// What a cluster tells, and what an administrator does, when a famfs daemon dies (docs/failures.md).
import assert from 'node:assert/strict';
import { famfsDaemons } from '../world/driver-pods.ts';
import { poolOnNode } from '../world/node-report.ts';
import { poolSays } from '../world/pool-conditions.ts';
import { scenario } from '../world/scenario.ts';
import { poolUuid } from '../world/static-volume.ts';
import { filledClaim } from '../world/tireless-reader.ts';

const node = 'node-b';

scenario(
  'a famfs daemon is killed: its node reports the pool as dead, pods that come are told so, other pools and nodes serve on, and once its pods have ended it is mounted anew',
  async (world) => {
    const claim = await filledClaim(world, 'both', 'node-a');
    const volumes = [{ claim, readOnly: true }];
    await world.pod({ name: 'user', node, volumes });
    const uuid = await poolUuid(world, 'both');
    const daemon = famfsDaemons(world, node).get(uuid) ?? assert.fail('the pool has no daemon');
    const others = [...famfsDaemons(world, node)].filter(([pool]) => pool !== uuid);
    world.console.on(node, 'kill', '-KILL', String(daemon));

    const { phase, problem } = await world.until(`${node} reports the pool as unhealthy`, async () => {
      const pool = await poolOnNode(world, node, uuid);
      return pool.phase === 'Unhealthy' && pool;
    });
    assert.deepEqual([phase, problem.reason], ['Unhealthy', 'pool-dead']);
    assert.match(problem.message, /daemon/);
    const { message } = await poolSays(world, 'both', ['NodesServe', 'False', 'PoolDead']);
    assert.match(message, new RegExp(`^On node ${node}: .*daemon`));
    await world.event('FamfsPool', 'both', new RegExp(`^On node ${node}: .*daemon`));
    const refused = await world.tryInPod('user', 'head', '-c', '3', '/data/data');
    assert.notEqual(refused.status, 0);
    assert.match(refused.stderr, /not connected/);

    await world.startPod({ name: 'newcomer', node, volumes });
    const told = await world.event('Pod', 'newcomer', /Unavailable.*pool-dead|daemon/);
    assert.match(told, /delete|end|pods/i);
    await world.pod({ name: 'elsewhere', node: 'node-a', volumes });
    assert.equal(await world.inPod('elsewhere', 'head', '-c', '3', '/data/data'), 'xxx');
    await world.claim('other', 'only-b', '2Mi');
    await world.pod({ name: 'of-other-pool', node, volumes: [{ claim: 'other' }] });

    await world.endPod('user');
    await world.podReady('newcomer');
    assert.equal(await world.inPod('newcomer', 'head', '-c', '3', '/data/data'), 'xxx');
    const daemons = famfsDaemons(world, node);
    assert.notEqual(daemons.get(uuid) ?? daemon, daemon);
    for (const [pool, pid] of others) assert.equal(daemons.get(pool), pid);
    await world.until('the node reports the pool as ready', async () => {
      return (await poolOnNode(world, node, uuid)).phase === 'Ready';
    });
    await poolSays(world, 'both', ['NodesServe', 'True']);
    await world.event('FamfsPool', 'both', /^No node .* has a problem/);
  },
  { needs: 'console', timeoutMs: 600_000 },
);
