// A pool is its file system's UUID and nothing else (design 6, rule 3): another node formats the memory again and again
// under a mount, while publishes of the old pool run as fast as they can. What was published before shows the old bytes;
// from the format on there is no publish, no replay and no creation, and never a byte of the other file system under an
// old name.
import assert from 'node:assert/strict';
import { copyFileSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { DriverError } from '../../src/errors.ts';
import { poolPhase } from '../../src/mounter/client.ts';
import type { ClusterNode } from '../cluster-node.ts';
import { writeFileSystem } from '../file-system-writer.ts';
import { assertNothingLeaked, enterPrivateMounts } from '../private-mounts.ts';
import type { RunningMounter } from '../running-mounter.ts';
import { SimulatedCluster } from '../simulated-cluster.ts';
import { waitUntil } from '../wait-until.ts';
import { Dice } from './dice.ts';
import { EagerPublishers } from './eager-publishers.ts';
import { effort, seed } from './effort.ts';
import { readLogEvidence } from './log-evidence.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

const patienceMs = 180_000;

/** What is said of a pool whose memory holds another: a mounter that was started since has never seen it. */
const goneReasons: readonly string[] = ['pool-reformatted', 'pool-not-found'];

/** One file system that the memory held. */
interface Life {
  readonly uuid: string;
  /** What its `set/data` holds. */
  readonly text: string;
  /** A directory that no other has. */
  readonly ownName: string;
}

/** When a life began, as `performance.now()` tells. */
interface Change {
  readonly formattedAtMs: number;
  readonly writingAtMs: number;
}

describe('the identity of a pool', { skip }, () => {
  const dice = new Dice(seed);
  let cluster: SimulatedCluster;
  let node: ClusterNode;
  let other: ClusterNode;
  let mounter: RunningMounter;
  let life: Life;
  let lives = 0;
  let pods = 0;
  let publishers: EagerPublishers | undefined;
  const counts = { publishes: 0, refusals: 0, made: 0, kills: 0 };

  before(async () => {
    cluster = new SimulatedCluster();
    await cluster.addMemory();
    [node, other] = [await cluster.addNode('a'), await cluster.addNode('b')];
    // Of the first pool the watched node is master, of the later ones it is a client.
    ({ life } = await beginLife(node));
    mounter = cluster.startMounter(node);
    await mounter.ready(life.uuid);
  });
  after(async () => {
    await publishers?.end();
    await cluster.close();
  });

  /** A node makes a new file system with the usual names and one of its own. */
  async function beginLife(by: ClusterNode): Promise<{ life: Life; change: Change }> {
    const text = `life ${++lives}`.padEnd(64, '.');
    const ownName = `only-${lives}`;
    const change = { formattedAtMs: 0, writingAtMs: 0 };
    const uuid = await writeFileSystem(cluster, by, 'dax0.0', {
      files: { 'set/data': text, [`${ownName}/data`]: text },
      onFormatted: () => {
        change.formattedAtMs = performance.now();
      },
      onWriting: () => {
        change.writingAtMs = performance.now();
      },
    });
    return { life: { uuid, text, ownName }, change };
  }

  async function bindOf(pool: Life, relative: string): Promise<string> {
    const target = node.target(`pod-${pods++}`);
    await mounter.calls.bind({ poolUuid: pool.uuid, path: relative, target, volumeId: target });
    return target;
  }

  /** Has the mounter make a directory with a file; the reason when it refuses. */
  async function createIn(pool: Life, directory: string): Promise<string> {
    const files = [{ name: 'data', sizeBytes: 4096n }];
    const order = { poolUuid: pool.uuid, directory, files, mode: 0o644, uid: 0, gid: 0 };
    try {
      for await (const _ of mounter.calls.makeFiles(order, {}));
      return 'made';
    } catch (error) {
      return DriverError.from(error).reason;
    }
  }

  /**
   * The other node takes the identity of the watched one, as hosts of one disk image have it, or its own again. A twin's
   * pools are the watched node's own to famfs, which then lets it create in them: only the pool's UUID tells them apart.
   */
  function makeTwin(isTwin: boolean): void {
    const file = (of: ClusterNode): string => path.join(of.places.root, 'opt/famfs/system_uuid');
    rmSync(file(other), { force: true });
    if (isTwin) copyFileSync(file(node), file(other));
  }

  /** Everything that went through did so before the format was over, and nothing showed anything but the old bytes. */
  function judge(met: EagerPublishers, old: Life, { formattedAtMs, writingAtMs }: Change): void {
    const wrong = met.published.filter(
      (each) =>
        each.shown !== old.text ||
        each.path !== 'set' ||
        each.beganAtMs > formattedAtMs ||
        each.answeredAtMs > writingAtMs,
    );
    assert.deepEqual(wrong, [], JSON.stringify({ formattedAtMs, writingAtMs }));
    assert.ok(
      goneReasons.some((reason) => met.refusals.has(reason)),
      'publishes were tried afterwards',
    );
  }

  it('is never taken for that of a file system which another node has made there', async (t) => {
    const rounds = effort(3);
    for (let round = 0; round < rounds; round++) await reformatUnder(round);
    assert.ok(counts.made > 0, 'something could be made while a pool was what it was');
    t.diagnostic(
      `seed ${seed}: ${rounds} formats under a mount, ${counts.publishes} publishes before them and ${counts.refusals} ` +
        `refused; the mounter killed ${counts.kills} times meanwhile`,
    );
  });

  async function reformatUnder(round: number): Promise<void> {
    const old = life;
    const held = round % 2 === 0 ? await bindOf(old, 'set') : undefined;
    if ((await createIn(old, 'made-before')) === 'made') counts.made++;
    const next = `only-${lives + 1}`;
    const running = new EagerPublishers(mounter, old.uuid, ['set', 'set', 'set', 'set', next, next]);
    publishers = running;
    await waitUntil('publishes run', () => running.published.length > 20, patienceMs);
    makeTwin(round % 3 > 0);
    const killing = round % 3 === 1 ? killMounterSoon() : undefined;
    await sleep(dice.below(50));
    const begun = await beginLife(other);
    await killing;
    if (killing !== undefined) counts.kills++;
    const attempts = running.attempts;
    await waitUntil('more publishes were tried', () => running.attempts > attempts + 20, patienceMs);
    assert.notEqual(await createIn(old, 'made-late'), 'made');
    if (held !== undefined) {
      assert.ok(!readdirSync(node.poolPath(old.uuid)).includes(next), 'nothing of the new log is replayed');
      await mounter.calls.unbind({ target: held });
    }
    await running.end();
    judge(running, old, begun.change);
    await assertTakenUp(old, begun.life);
    life = begun.life;
    counts.publishes += running.published.length;
    counts.refusals += [...running.refusals.values()].reduce((sum, each) => sum + each, 0);
  }

  async function killMounterSoon(): Promise<void> {
    await sleep(dice.below(1500));
    await mounter.kill();
    await mounter.restart();
  }

  /** The new pool serves under its own UUID, with its own bytes; the old one is gone for good. */
  async function assertTakenUp(old: Life, now: Life): Promise<void> {
    await mounter.ready(now.uuid);
    const target = await bindOf(now, 'set');
    assert.equal(readFileSync(path.join(target, 'data'), 'utf8'), now.text);
    await mounter.calls.unbind({ target });
    await assert.rejects(bindOf(old, 'set'), ({ reason }: DriverError) => goneReasons.includes(reason));
    assert.ok(goneReasons.includes(await createIn(old, 'made-later')));
    assert.notEqual(mounter.pool(old.uuid)?.phase, poolPhase.POOL_PHASE_READY);
    const { paths, refusal } = await readLogEvidence(cluster.memory());
    assert.deepEqual(
      { paths: paths.toSorted(), refusal },
      {
        paths: ['set', 'set/data', now.ownName, `${now.ownName}/data`].toSorted(),
        refusal: undefined,
      },
    );
  }
});
