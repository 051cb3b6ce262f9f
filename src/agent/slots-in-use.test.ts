// When a slot may be written over: never while some node may have what was in it.
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { famfsNode, famfsPool, otherUuid, poolUuid, reportedPool } from '../../test/cluster-objects.ts';
import type { ApiObject } from '../kubernetes/api-object.ts';
import type { FamfsNode } from '../kubernetes/famfs-node.ts';
import type { FamfsPool } from '../kubernetes/famfs-pool.ts';
import { famfsPools } from '../kubernetes/resources.ts';
import type { MounterCalls } from '../mounter/client.ts';
import type { PoolUuid } from '../volumes/ids.ts';
import { SlotsInUse } from './slots-in-use.ts';

const left = { slot: 'slot', formerVolumeId: 'gone', poolUuid: poolUuid as PoolUuid };
const mounter = (...binds: readonly { volumeId: string; path: string }[]) => {
  const listBinds = async () => ({ binds: binds.map((bind) => ({ ...bind, poolUuid })) });
  return { calls: { listBinds } as unknown as MounterCalls };
};

describe('a slot that a volume left', () => {
  const nodes = new Map<string, FamfsNode>();
  let pools: FamfsPool[];
  let nowMs: number;
  let slots: SlotsInUse;

  beforeEach(() => {
    nodes.clear();
    pools = [famfsPool('models', { status: { fileSystemUUID: poolUuid } })];
    nowMs = Date.parse('2026-01-01T12:00:00Z');
    slots = asked();
  });

  function asked(own = mounter()): SlotsInUse {
    const client = {
      list: async <T extends ApiObject>(resource: { readonly plural: string }) => ({
        items: (resource.plural === famfsPools.plural ? pools : [...nodes.values()]) as unknown as T[],
        resourceVersion: '1',
      }),
    };
    return new SlotsInUse({ client, mounter: own, node: 'master', now: () => nowMs });
  }

  function report(name: string, changes: Parameters<typeof famfsNode>[1] = {}): void {
    nowMs += 1_000;
    nodes.set(name, famfsNode(name, { reportedAt: new Date(nowMs).toISOString(), ...changes }));
  }

  const reason = async (): Promise<string> => (await slots.among([left])).get('slot') ?? '';
  const mayBe = async (): Promise<boolean> => (await reason()) !== '';

  /** Everybody reports so often that nobody is waited for any more. */
  async function untilHeard(changes: Parameters<typeof famfsNode>[1] = {}): Promise<void> {
    for (let count = 0; count < 3; count++) {
      await reason();
      for (const name of nodes.keys()) report(name, changes);
    }
  }

  it('is in use while a node has its volume, by its last report or, of this node, now', async () => {
    report('b');
    await untilHeard();
    assert.equal(await reason(), '');
    for (const name of ['b', 'master']) {
      report(name, { publishedVolumeIDs: ['gone'] });
      assert.match(await reason(), new RegExp(`node ${name} has it mounted`));
      report(name);
    }
    slots = asked(mounter({ volumeId: 'gone', path: 'elsewhere' }));
    await untilHeard();
    assert.match(await reason(), /node master has it mounted/);
  });

  it('is in use while a pod has its path, or one above or below it, under whatever name', async () => {
    report('b');
    for (const [path, isReached] of [
      ['v/slot', true],
      ['v/slot/deeper', true],
      ['v', true],
      ['v/other', false],
      ['models', false],
    ] as const) {
      slots = asked();
      await untilHeard({ pools: [reportedPool({ boundPaths: [path] })] });
      assert.equal(await mayBe(), isReached, path);
      slots = asked(mounter({ volumeId: 'static', path }));
      await untilHeard();
      assert.equal(await mayBe(), isReached, path);
    }
    slots = asked();
    await untilHeard({ pools: [reportedPool({ uuid: otherUuid, boundPaths: ['v/slot'] })] });
    assert.ok(!(await mayBe()), 'of another pool');
  });

  it('is in use until every other node that sees the pool has looked since', async () => {
    for (const name of ['master', 'b', 'c']) report(name);
    report('blind', { pools: [reportedPool({ uuid: otherUuid })] });
    report('lost', { pools: [reportedPool({ phase: 'Lost' })] });
    assert.ok(await mayBe());
    assert.ok(await mayBe(), 'nobody has said anything');
    for (const name of ['b', 'c']) report(name);
    assert.ok(await mayBe(), 'these may have looked before');
    report('b');
    assert.match(await reason(), /nodes that see the memory, node c is yet to say/);
    report('c', { publishedVolumeIDs: ['gone'] });
    assert.ok(await mayBe(), 'c has it');
    report('c');
    assert.ok(!(await mayBe()));
    report('new');
    assert.ok(!(await mayBe()), 'a node that came later cannot have been given it');
  });

  it('waits for no node that is gone or sees the pool no more', async () => {
    for (const name of ['b', 'c']) report(name);
    assert.ok(await mayBe());
    nodes.delete('b');
    assert.ok(await mayBe());
    report('c', { pools: [] });
    assert.ok(!(await mayBe()));
  });

  it('is waited for anew by a process that was started anew', async () => {
    report('b');
    await untilHeard();
    assert.ok(!(await mayBe()));
    slots = asked();
    assert.ok(await mayBe());
  });

  it('waits for a node that fell silent, and says which and what to do', async () => {
    report('b');
    await untilHeard();
    const last = nodes.get('b')?.status?.reportedAt;
    nowMs += 181_000;
    assert.match(await reason(), new RegExp(`node b has not reported since ${last}.*delete the Node`));
    report('b');
    assert.ok(!(await mayBe()));
  });

  it('does not count what an agent says while its mounter is away: it repeats what it knew', async () => {
    report('b');
    const [ready] = famfsNode('b').status?.conditions ?? [];
    assert.ok(ready);
    await untilHeard({ conditions: [{ ...ready, status: 'False', reason: 'MounterUnavailable' }] });
    assert.ok(await mayBe());
    await untilHeard();
    assert.ok(!(await mayBe()));
  });

  it('waits for a node whose FamfsNode was deleted by hand, before and after the controller noticed', async () => {
    const node = {
      name: 'b',
      device: 'dax0.0',
      role: 'Client',
      mounted: true,
      logEntriesReplayed: 1,
    } as const;
    for (const known of [{ nodes: [node] }, { nodesAway: [{ name: 'b', message: 'has gone' }] }]) {
      pools = [famfsPool('models', { status: { fileSystemUUID: poolUuid, ...known } })];
      nodes.delete('b');
      await untilHeard();
      assert.match(await reason(), /node b has not said what it has mounted since its FamfsNode was deleted/);
      report('b', { pools: [], conditions: [] });
      assert.ok(await mayBe(), 'it is there again, and has not looked yet');
      report('b');
      assert.ok(!(await mayBe()), 'it has it not');
    }
  });

  it('is left alone while no FamfsPool says which nodes see the memory', async () => {
    pools = [];
    await untilHeard();
    assert.match(await reason(), /no FamfsPool/);
  });
});
