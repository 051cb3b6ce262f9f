// kill -9 at the effects of releasing a pool and of formatting its memory anew, then a restart and the same call again: the
// pool ends in one new file system, which the last answer or the device names, and nothing is left over.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { DriverError } from '../../src/errors.ts';
import { processState } from '../../src/linux/processes.ts';
import type { ClusterNode } from '../cluster-node.ts';
import { sourceProgram } from '../driver-process.ts';
import { assertNothingLeaked, enterPrivateMounts } from '../private-mounts.ts';
import type { RunningMounter } from '../running-mounter.ts';
import { SimulatedCluster } from '../simulated-cluster.ts';
import { waitUntil } from '../wait-until.ts';
import { Dice } from './dice.ts';
import { EffectFolder } from './effect-folder.ts';
import { effort, seed } from './effort.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

/** A slow machine leaves out what comes last by the dice, once there were enough. */
const budgetMs = effort(60) * 1000;
const fewestDeaths = 6;
const patienceMs = 120_000;
const retryMs = 50;

const steps = ['release', 'format'] as const;
type Step = (typeof steps)[number];

/** What a caller repeats by itself: the mounter has just died, or clears up after one that has. */
const passing: ReadonlySet<string> = new Set([
  ...['mounter-unavailable', 'pool-not-ready', 'pool-not-found', 'pool-busy', 'pool-in-use'],
  ...['pool-held-elsewhere', 'operation-pending', 'device-in-use', 'shutting-down', 'command-failed'],
]);

/** How a call is told what one before it has made: not mounted yet, or already by the mounter that came after. */
const madeBefore: Readonly<Record<string, RegExp>> = {
  'pool-reformatted': /carries the file system ([0-9a-f-]{36}) of this node/,
  'pool-in-use': /serves the pool ([0-9a-f-]{36}), which is mounted on this node/,
};

describe('kill -9 while a pool is released and its memory formatted anew', { skip }, () => {
  let cluster: SimulatedCluster;
  let node: ClusterNode;
  let mounter: RunningMounter;
  let points: EffectFolder;
  let folder: string;
  let poolUuid: string;
  let restarts = 0;
  const lives = new Map<Step, Set<string>>();

  before(async () => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'famfs-effects-'));
    points = new EffectFolder(folder);
    cluster = new SimulatedCluster({ program: [...points.launcher, ...sourceProgram] });
    await cluster.addMemory();
    node = await cluster.addNode('a');
    poolUuid = await node.format('dax0.0');
    mounter = cluster.startMounter(node, { 'allow-format': 'reset' });
    await mounter.ready(poolUuid);
  });
  after(async () => {
    points.disarm();
    await cluster.close();
    rmSync(folder, { recursive: true });
  });

  async function revive(): Promise<void> {
    if (processState(mounter.pid) !== undefined) return;
    restarts++;
    await mounter.restart();
  }

  /** The same call again and again, by a caller who knows nothing of deaths. */
  async function untilOk<T>(what: string, call: () => Promise<T>): Promise<T> {
    const giveUpAt = Date.now() + patienceMs;
    for (;;) {
      try {
        await revive();
        return await call();
      } catch (error) {
        const { reason } = DriverError.from(error);
        if (!passing.has(reason) || Date.now() > giveUpAt)
          throw new Error(`${what}: ${String(error)}\n${mounter.log.slice(-3000)}`);
        await sleep(retryMs);
      }
    }
  }

  async function release(): Promise<void> {
    await untilOk('it is released', () => mounter.calls.releasePool({ poolUuid, hold: true }));
    assert.equal(cluster.mountPoints().includes(path.normalize(node.poolPath(poolUuid))), false);
    assert.equal(cluster.daemonOf(node, poolUuid), undefined);
  }

  /** What a call whose answer was lost has made is told by the next one. */
  async function format(): Promise<string> {
    return untilOk('it is formatted', async () => {
      try {
        return (await mounter.calls.formatDevice({ device: 'dax0.0', replaceUuid: poolUuid })).poolUuid;
      } catch (error) {
        const { reason, message } = DriverError.from(error);
        const made = madeBefore[reason]?.exec(message)?.[1];
        if (made === undefined || made === poolUuid) throw error;
        return made;
      }
    });
  }

  /** One life of the pool; who passes `kill` in its step dies there. Returns whether somebody did. */
  async function live(kill?: { step: Step; point: string }): Promise<boolean> {
    let isDead = false;
    const during = async <T>(step: Step, work: () => Promise<T>): Promise<T> => {
      const mark = points.mark;
      if (kill?.step === step) points.arm(kill.point);
      const result = await work();
      isDead ||= points.killedAt !== undefined;
      points.disarm();
      if (kill === undefined) lives.set(step, new Set(points.passedSince(mark)));
      return result;
    };
    await during('release', release);
    const newUuid = await during('format', format);
    await revive();
    await mounter.ready(newUuid);
    assert.notEqual(newUuid, poolUuid);
    assert.equal(mounter.pool(newUuid)?.logEntriesUsed, 0n);
    const notes = readdirSync(node.places.locks).filter((name) => name.startsWith('held-'));
    assert.deepEqual(notes, []);
    assert.deepEqual(
      cluster.mountPoints().filter((place) => place.includes('/pools/')),
      [path.normalize(node.poolPath(newUuid))],
    );
    poolUuid = newUuid;
    return isDead;
  }

  it('ends in one new file system, wherever a process dies', async (t) => {
    await live();
    const dice = new Dice(seed);
    const kills = steps
      .flatMap((step) => [...(lives.get(step) ?? [])].map((point) => ({ step, point })))
      .map((kill) => ({ kill, place: dice.below(1_000_000) }))
      .sort((left, right) => left.place - right.place)
      .map(({ kill }) => kill);
    const endsAt = performance.now() + budgetMs;
    let deaths = 0;
    let lived = 0;
    for (const kill of kills) {
      if (deaths >= fewestDeaths && performance.now() > endsAt) break;
      lived++;
      try {
        if (await live(kill)) deaths++;
      } catch (error) {
        throw new Error(`${kill.step}, ${kill.point}: ${String(error)}`, { cause: error });
      }
    }
    t.diagnostic(`${deaths} deaths in ${lived} lives of ${kills.length}, ${restarts} restarts, seed ${seed}`);
    assert.ok(deaths >= fewestDeaths);
    await waitUntil('nothing is left in /tmp', () => readdirSync(node.places.tmp).length === 0, patienceMs);
  });
});
