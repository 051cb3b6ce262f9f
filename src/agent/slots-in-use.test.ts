// When a slot may be written over: never while some node may have what was in it.
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { famfsNode, otherUuid, poolUuid, reportedPool } from '../../test/cluster-objects.ts';
import type { ApiObject } from '../kubernetes/api-object.ts';
import type { FamfsNode } from '../kubernetes/famfs-node.ts';
import type { MounterCalls } from '../mounter/client.ts';
import type { PoolUuid } from '../volumes/ids.ts';
import { PublishedVolumes } from './published-volumes.ts';

const left = { formerVolumeId: 'gone', poolUuid: poolUuid as PoolUuid };

describe('the volumes that may be published', () => {
  const nodes = new Map<string, FamfsNode>();
  let binds: string[];
  let published: PublishedVolumes;
  let reports = 0;

  beforeEach(() => {
    nodes.clear();
    binds = [];
    const client = {
      list: async <T extends ApiObject>() => ({
        items: [...nodes.values()] as unknown as T[],
        resourceVersion: '1',
      }),
    };
    const calls = {
      listBinds: async () => ({ binds: binds.map((volumeId) => ({ volumeId })) }),
    } as unknown as MounterCalls;
    published = new PublishedVolumes({ client, mounter: { calls }, node: 'master' });
  });

  function report(name: string, changes: Parameters<typeof famfsNode>[1] = {}): void {
    nodes.set(name, famfsNode(name, { reportedAt: `report ${reports++}`, ...changes }));
  }

  const mayBe = async (): Promise<boolean> => (await published.ids([left])).has('gone');

  it('are those that a node has, by its last report or, of this node, now', async () => {
    report('master', { publishedVolumeIDs: ['old'] });
    binds = ['here'];
    report('b', { publishedVolumeIDs: ['there'] });
    assert.deepEqual([...(await published.ids([]))].sort(), ['here', 'old', 'there']);
  });

  it('is one that was deleted until every other node that sees the pool has looked since', async () => {
    for (const name of ['master', 'b', 'c']) report(name);
    report('blind', { pools: [reportedPool({ uuid: otherUuid })] });
    report('lost', { pools: [reportedPool({ phase: 'Lost' })] });
    assert.ok(await mayBe());
    assert.ok(await mayBe(), 'nobody has said anything');
    for (const name of ['b', 'c']) report(name);
    assert.ok(await mayBe(), 'these may have looked before');
    report('b');
    assert.ok(await mayBe());
    report('c', { publishedVolumeIDs: ['gone'] });
    assert.ok(await mayBe(), 'c has it');
    report('c');
    assert.ok(!(await mayBe()));
    report('new');
    assert.ok(!(await mayBe()), 'a node that came later cannot have been given it');
  });

  it('waits for no node that is gone or sees the pool no more, and for one that is silent without end', async () => {
    for (const name of ['b', 'c']) report(name);
    assert.ok(await mayBe());
    nodes.delete('b');
    assert.ok(await mayBe());
    report('c', { pools: [] });
    assert.ok(!(await mayBe()));
    const other = { ...left, formerVolumeId: 'other' };
    report('silent');
    for (let round = 0; round < 5; round++) assert.ok((await published.ids([other, left])).has('other'));
  });

  it('is waited for anew by a process that was started anew', async () => {
    report('b');
    assert.ok(await mayBe());
    for (let count = 0; count < 2; count++) {
      report('b');
      await mayBe();
    }
    assert.ok(!(await mayBe()));
    const client = { list: async () => ({ items: [...nodes.values()] as never[], resourceVersion: '1' }) };
    const calls = { listBinds: async () => ({ binds: [] }) } as unknown as MounterCalls;
    const next = new PublishedVolumes({ client, mounter: { calls }, node: 'master' });
    assert.ok((await next.ids([left])).has('gone'));
  });
});
