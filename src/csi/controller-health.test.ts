// What the Controller service says of volumes that are ill, and of a list of them.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { ProvisioningWorld, poolA, poolB, unit } from '../../test/provisioning-world.ts';
import type { CallContext } from '../rpc/call.ts';
import { parseClassParameters } from '../volumes/class-parameters.ts';
import type { PoolFacts } from '../volumes/pool-facts.ts';
import { newVolumeId } from '../volumes/volume-record.ts';
import { controllerHandlers } from './controller-service.ts';
import { volumeHealthTypes } from './protocol.ts';

let world: ProvisioningWorld;
beforeEach(() => {
  world = new ProvisioningWorld();
  world.addPool('b', poolB, 1000n);
});
afterEach(() => world.close());

/** None of the calls looks at it. */
const context = {} as CallContext;

function service() {
  return controllerHandlers({ provisioner: world.provisioner, records: world.records, pools: world });
}

async function volumeIn(pool: 'a' | 'b', name: string): Promise<string> {
  const wish = {
    ...{ name, parameters: parseClassParameters({ pool }), hasWriter: true, claim: undefined },
    ...{ range: { requiredBytes: unit, limitBytes: 0n }, topology: { requisite: undefined, preferred: [] } },
  };
  return (await world.provisioner.create(wish, AbortSignal.timeout(20_000))).spec.volumeId;
}

function change(uuid: string, changes: Partial<PoolFacts>): void {
  const pool = world.pools.get(uuid);
  assert.ok(pool);
  world.pools.set(uuid, { ...pool, ...changes });
}

async function healthOf(volumeId: string) {
  const request = { volumeId, secrets: {}, volumeContext: {} };
  const { volumeHealth } = await service().controllerGetVolumeHealth(request, context);
  assert.equal(volumeHealth?.volumeId, volumeId);
  return volumeHealth.healthStatuses ?? [];
}

async function illPage(maxEntries: number, startingToken: string) {
  const request = { maxEntries, startingToken, secrets: {} };
  const { entries, nextToken } = await service().controllerListVolumeHealth(request, context);
  return { ids: (entries ?? []).map(({ volumeId }) => volumeId ?? ''), nextToken: nextToken ?? '' };
}

describe('the health of a volume', () => {
  it('has nothing to tell while its pool is well', async () => {
    assert.deepEqual(await healthOf(await volumeIn('a', 'one')), []);
  });

  it('is that of its pool, with the reason and the sentence of the pool', async () => {
    const volumeId = await volumeIn('a', 'one');
    change(poolA, { problem: { reason: 'log-refused', message: 'entry 7 is damaged' } });
    const degraded = {
      status: volumeHealthTypes.DEGRADED,
      reason: 'LogRefused',
      message: 'entry 7 is damaged',
    };
    assert.deepEqual(await healthOf(volumeId), [degraded]);
    change(poolA, { problem: { reason: 'pool-memory-failed', message: 'it cannot be read' } });
    const [{ status, reason } = assert.fail('nothing is told')] = await healthOf(volumeId);
    assert.deepEqual([status, reason], [volumeHealthTypes.INACCESSIBLE, 'PoolMemoryFailed']);
  });

  it('says that nobody reports the pool any more', async () => {
    const volumeId = await volumeIn('a', 'one');
    world.pools.delete(poolA);
    const [{ status, reason, message } = assert.fail('nothing is told')] = await healthOf(volumeId);
    assert.deepEqual([status, reason], [volumeHealthTypes.INACCESSIBLE, 'PoolNotFound']);
    assert.match(message ?? '', new RegExp(`No node reports pool .*${poolA}`));
  });

  it('is not that of a volume that is not there', async () => {
    await assert.rejects(healthOf(newVolumeId(poolA)), { reason: 'volume-not-found' });
  });
});

describe('the list of what is ill', () => {
  it('has every volume of an ill pool once, page by page, and none of the others', async () => {
    const ill: string[] = [];
    for (const name of ['one', 'two', 'three', 'four', 'five']) ill.push(await volumeIn('a', name));
    await volumeIn('b', 'well');
    assert.deepEqual(await illPage(0, ''), { ids: [], nextToken: '' });
    change(poolA, { problem: { reason: 'pool-dead', message: 'its daemon has gone' } });
    const found: string[] = [];
    let token = '';
    let pages = 0;
    do {
      const { ids, nextToken } = await illPage(2, token);
      found.push(...ids);
      token = nextToken;
      pages += 1;
    } while (token !== '');
    assert.deepEqual(found, ill.toSorted());
    assert.equal(pages, 3);
    await assert.rejects(illPage(2, 'made up'), { reason: 'page-token-refused' });
  });
});
