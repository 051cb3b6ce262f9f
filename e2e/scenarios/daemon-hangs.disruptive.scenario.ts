// What a cluster tells when a famfs daemon hangs, and that it goes on when the daemon does.
import assert from 'node:assert/strict';
import { famfsDaemons } from '../world/driver-pods.ts';
import { poolOnNode } from '../world/node-report.ts';
import { scenario } from '../world/scenario.ts';
import { poolUuid } from '../world/static-volume.ts';
import { filledClaim } from '../world/tireless-reader.ts';

const node = 'node-b';

scenario(
  'a famfs daemon hangs: its node says so, pods that come are told and wait, another pool serves on, and all goes on with the daemon',
  async (world) => {
    const claim = await filledClaim(world, 'both', 'node-a');
    const volumes = [{ claim, readOnly: true }];
    await world.claim('other', 'only-b', '2Mi');
    const uuid = await poolUuid(world, 'both');
    const daemon = famfsDaemons(world, node).get(uuid) ?? assert.fail('the pool has no daemon');
    const goOn = (): string => world.console.on(node, 'kill', '-CONT', String(daemon));
    world.console.on(node, 'kill', '-STOP', String(daemon));
    world.undoAtEnd('the daemon hangs', () => void goOn());

    await world.until(`${node} reports the pool as hung`, async () => {
      const { problem } = await poolOnNode(world, node, uuid);
      return problem?.reason === 'pool-hung';
    });
    await world.event('FamfsPool', 'both', new RegExp(`^On node ${node}: .*does not answer`));
    await world.startPod({ name: 'newcomer', node, volumes });
    await world.event('Pod', 'newcomer', /Unavailable.*does not answer/);
    await world.pod({ name: 'of-other-pool', node, volumes: [{ claim: 'other' }] });

    goOn();
    await world.podReady('newcomer');
    assert.equal(await world.inPod('newcomer', 'head', '-c', '3', '/data/data'), 'xxx');
    assert.equal(famfsDaemons(world, node).get(uuid), daemon, 'nothing was started anew');
    await world.until('the node reports the pool as ready', async () => {
      const { phase, problem } = await poolOnNode(world, node, uuid);
      return phase === 'Ready' && problem === undefined;
    });
  },
  { needs: 'console', timeoutMs: 400_000 },
);
