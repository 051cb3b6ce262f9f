// The node path for a long time: thousands of pods come and go through the real CSI socket, over real mounts of two pools,
// while plugin and mounter are ended and started again; after that there must be as much of everything as before.
//
// How memory is compared: a process that has just started grows until its code is compiled and its heap has found its
// size, so a restart in the middle would hide a leak or look like one. The first sixth of the cycles therefore holds the
// restarts, all in its first half; from its end on (cycle 4,000 of 24,000) nothing is restarted and nothing may fail, and
// the lowest private memory of the last quarter of that stretch is held against that of its first quarter. Then plugin
// and mounter are killed once more under load.
//
// All have small heaps (`smallHeap`), and are told now and then to collect all their garbage (collect-on-signal.mjs). Left to
// itself V8 puts up with more and more of it, in a worker of 20 MiB for tens of thousands of cycles: the figures would
// show that, and not what the driver holds on to.
import assert from 'node:assert/strict';
import { readFileSync, rmdirSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { accessModes } from '../../src/csi/protocol.ts';
import { readMountTable } from '../../src/linux/mount-table.ts';
import { sourceProgram } from '../driver-process.ts';
import { assertNothingLeaked, enterPrivateMounts } from '../private-mounts.ts';
import { makeSamples, sampleText } from '../sample-data.ts';
import { codeOf } from '../served-csi.ts';
import { SimulatedCluster } from '../simulated-cluster.ts';
import { waitUntil } from '../wait-until.ts';
import { DrivenNode } from './driven-node.ts';
import { effort } from './effort.ts';
import { MemoryRecord } from './memory-record.ts';
import { type NodeStock, processesOf, restingStock, takeStock } from './node-stock.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

const cyclesInTheGate = 24_000;
const cycles = effort(cyclesInTheGate);
const measuredFrom = Math.round(cycles / 6);
const windowCycles = Math.round((cycles - measuredFrom) / 4);
const inFlight = 8;
const allowedGrowth = 0.05;
const sampleEvery = 50;
/** Live objects take some 18 MiB of the plugin's heap. Workers inherit these options. */
const smallHeap = ['--max-semi-space-size=1', '--max-old-space-size=32'];
const collecting = ['--expose-gc', '--import', path.join(import.meta.dirname, 'collect-on-signal.mjs')];
const collectEvery = 4 * sampleEvery;

interface Volume {
  readonly pool: string;
  readonly path: string;
}

describe('a node that serves pods for a long time', { skip }, () => {
  let cluster: SimulatedCluster;
  let driven: DrivenNode;
  const volumes: Volume[] = [];
  const memory = new MemoryRecord();
  /** Calls may fail while something is being restarted, and are repeated, as kubelet does. */
  let restarting = false;
  let done = 0;
  let repeated = 0;
  const durationsMs: number[] = [];

  before(async () => {
    const [node = '', ...rest] = sourceProgram;
    cluster = new SimulatedCluster({ program: [node, ...smallHeap, ...collecting, ...rest] });
    await Promise.all([cluster.addMemory('one'), cluster.addMemory('two')]);
    const host = await cluster.addNode('a', { devices: { 'dax0.0': 'one', 'dax1.0': 'two' } });
    const pools = [await host.format('dax0.0'), await host.format('dax1.0')];
    // Every call writes its line, as on a node; what is written must not stay in memory either.
    const level = { 'log-level': 'info' };
    driven = await DrivenNode.start(cluster, host, { mounterFlags: level, pluginFlags: level });
    await driven.mounter.ready(...pools);
    const samples = makeSamples(path.join(cluster.directory, 'samples'), {
      llama: ['config', 'weights'],
      mistral: ['weights'],
    });
    for (const pool of pools) {
      await host.cp(samples, pool, 'models');
      volumes.push({ pool, path: 'models/llama' }, { pool, path: 'models/mistral' });
    }
  });
  after(async () => {
    driven?.close();
    await cluster?.close();
  });

  const targetOf = (pod: string): string => driven.node.target(pod);

  function publish(volumeId: string, targetPath: string, volume: Volume, mountFlags: string[]) {
    return driven.calls.nodePublishVolume({
      ...{ volumeId, targetPath, readonly: true },
      volumeCapability: {
        mount: { mountFlags },
        accessMode: { mode: accessModes.MULTI_NODE_READER_ONLY },
      },
      volumeContext: { ...volume },
    });
  }

  /** Repeats a call while something is being restarted; at any other time its first failure is one of the test. */
  async function insist(call: () => Promise<unknown>, ...alsoOfRestart: string[]): Promise<void> {
    for (;;) {
      try {
        await call();
        return;
      } catch (error) {
        const code = await codeOf(Promise.reject(error));
        const isOfRestart = ['UNAVAILABLE', 'ABORTED', 'CANCELLED', ...alsoOfRestart].includes(code);
        if (!restarting || !isOfRestart) throw error;
        repeated++;
        await sleep(20);
      }
    }
  }

  /** A pod of its own, from the first call to the last trace. Every few pods something more is asked or looked at. */
  async function cycle(number: number): Promise<void> {
    const volume = volumes[number % volumes.length] ?? assert.fail();
    const allowExec = number % 3 === 0;
    const [volumeId, target] = [`volume-${number}`, targetOf(`pod-${number}`)];
    const startedAt = performance.now();
    await insist(() => publish(volumeId, target, volume, allowExec ? ['exec'] : []));
    if (number % 16 === 0)
      await insist(() => driven.calls.nodeGetVolumeStats({ volumeId, volumePath: target }));
    if (number % 16 === 8) await insist(() => driven.calls.nodeGetVolumeHealth({ volumeId }));
    if (number % 64 === 5) await insist(() => driven.calls.nodeGetStorageHealth({}));
    if (number % 64 === 6) await insist(() => driven.identity.probe({}), 'FAILED_PRECONDITION');
    if (number % 64 === 7) await insist(() => driven.calls.nodeGetInfo({}));
    if (number % 32 === 3) assertMounted(target, volume, allowExec);
    await insist(() => driven.calls.nodeUnpublishVolume({ volumeId, targetPath: target }));
    durationsMs.push(performance.now() - startedAt);
    removePod(target);
  }

  function collectGarbage(): void {
    for (const [name, pid] of Object.entries(watched))
      if (!name.startsWith('daemon')) process.kill(pid, 'SIGPWR');
  }

  /** Runs pods up to the number `end`, several at a time. */
  async function runTo(end: number): Promise<void> {
    let next = done;
    const lane = async (): Promise<void> => {
      while (next < end) {
        await cycle(next++);
        done++;
        if (done % sampleEvery === 0 && !restarting) memory.take(done, watched);
        if (done % collectEvery === 0 && done < cycles && !restarting) collectGarbage();
      }
    };
    await Promise.all(Array.from({ length: inFlight }, lane));
  }

  let watched: Readonly<Record<string, number>> = {};

  /** Runs pods up to `end` while `restart` ends something and starts it again. */
  async function runThrough(end: number, restart: () => Promise<void>): Promise<void> {
    restarting = true;
    try {
      await Promise.all([runTo(end), restart()]);
    } finally {
      restarting = false;
    }
  }

  async function restartPlugin(how: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    await driven.endPlugin(how);
    await driven.startPlugin();
  }

  async function restartMounter(how: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    await driven.endMounter(how);
    await driven.startMounter(...volumes.map(({ pool }) => pool));
  }

  /** Waits until everything is as it was: watches and replays have descriptors for a moment. What stays is told. */
  async function assertAsBefore(stock: NodeStock, when: string): Promise<void> {
    let now: NodeStock | undefined;
    await waitUntil('all is as before', () => {
      now = takeStock(driven);
      return isDeepStrictEqual(now, stock);
    }).catch(() => undefined);
    assert.deepEqual(now, stock, when);
  }

  it(`has after ${cycles} pods as much of everything as before`, async (t) => {
    const standing = volumes.map((volume, index) => ({ volume, target: targetOf(`standing-${index}`) }));
    for (const [index, { volume, target }] of standing.entries()) {
      await publish(`standing-${index}`, target, volume, []);
    }
    await runTo(inFlight);
    const atStart = await restingStock(driven);

    const steps = [
      () => restartPlugin('SIGTERM'),
      () => restartMounter('SIGTERM'),
      () => restartPlugin('SIGKILL'),
      () => restartMounter('SIGKILL'),
    ];
    for (const [index, restart] of steps.entries()) {
      await runThrough(Math.round((measuredFrom * (index + 1)) / 8), restart);
      await assertAsBefore(atStart, `after restart ${index + 1}`);
    }
    watched = processesOf(driven);
    await runTo(measuredFrom);
    await assertAsBefore(atStart, 'before the long run');
    await runTo(cycles);
    await assertAsBefore(atStart, 'after the long run');
    report(t);
    if (cycles >= cyclesInTheGate) assertFlatMemory();

    await runThrough(cycles + inFlight * 20, async () => {
      await Promise.all([restartMounter('SIGKILL'), restartPlugin('SIGKILL')]);
    });
    await assertAsBefore(atStart, 'after the last kill');
    for (const [index, { volume, target }] of standing.entries()) {
      assertMounted(target, volume, false);
      await driven.calls.nodeUnpublishVolume({ volumeId: `standing-${index}`, targetPath: target });
      removePod(target);
    }
    assert.equal(takeStock(driven).records, 0);
  });

  function assertFlatMemory(): void {
    for (const name of Object.keys(watched).filter((each) => !each.startsWith('daemon'))) {
      const { first, last } = floorsOf(name);
      const growth = last / first - 1;
      assert.ok(growth <= allowedGrowth, `${name} grew by ${percent(growth)}: ${mib(first)} to ${mib(last)}`);
    }
  }

  function floorsOf(name: string): { first: number; last: number } {
    return {
      first: memory.floorBytes(name, measuredFrom, measuredFrom + windowCycles),
      last: memory.floorBytes(name, cycles - windowCycles, cycles + 1),
    };
  }

  function report(t: TestContext): void {
    t.diagnostic(
      `${done} cycles, ${inFlight} at a time, over ${volumes.length} volumes of 2 pools, 4 restarts before and 2 after cycle ${measuredFrom}; ${repeated} calls repeated during restarts`,
    );
    for (const name of Object.keys(watched)) {
      const { first, last } = floorsOf(name);
      t.diagnostic(
        `${name}: private memory ${mib(first)} → ${mib(last)} (${percent(last / first - 1)}), most ${mib(memory.peakBytes(name))}; by tenths ${memory
          .floorsBytes(name, measuredFrom, cycles + 1, 10)
          .map((bytes) => (bytes / 2 ** 20).toFixed(1))
          .join(' ')}`,
      );
    }
    const p99 = (from: number, to: number): string => {
      const sorted = durationsMs.slice(from, to).sort((a, b) => a - b);
      return `${(sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN).toFixed(1)} ms`;
    };
    t.diagnostic(
      `p99 of a cycle: ${p99(measuredFrom, measuredFrom + 1000)} at cycle ${measuredFrom}, ${p99(-1000, durationsMs.length)} at the end`,
    );
  }
});

/** The bind is there once, read-only, of this volume, and programs run from it only where that was asked for. */
function assertMounted(target: string, { path: poolPath }: Volume, allowExec: boolean): void {
  const mounts = readMountTable().filter(({ mountPoint }) => mountPoint === target);
  assert.deepEqual(
    mounts.map(({ root, mountOptions }) => ({
      root,
      isReadOnly: mountOptions.includes('ro'),
      noExec: mountOptions.includes('noexec'),
    })),
    [{ root: `/${poolPath}`, isReadOnly: true, noExec: !allowExec }],
  );
  const name = path.basename(poolPath);
  assert.equal(readFileSync(path.join(target, 'weights'), 'utf8'), sampleText(`${name}/weights`));
}

/** What kubelet removes of a pod. Each folder has to be empty: whatever is left in one makes this fail. */
function removePod(target: string): void {
  let folder = path.dirname(target);
  for (let above = 0; above < 4; above++) {
    rmdirSync(folder);
    folder = path.dirname(folder);
  }
}

function mib(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
