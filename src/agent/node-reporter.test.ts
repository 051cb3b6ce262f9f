// When an agent reports its node, and what it does while the API server or the mounter is away.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { poolUuid } from '../../test/cluster-objects.ts';
import { waitUntil } from '../../test/wait-until.ts';
import { DriverError } from '../errors.ts';
import type { FamfsNodeStatus, ReportedFormat } from '../kubernetes/famfs-node.ts';
import {
  famfsMode,
  type MounterCalls,
  type MounterView,
  type NodeState,
  type Pool,
  poolPhase,
} from '../mounter/client.ts';
import { silentLogger } from '../observe/logger.ts';
import { NodeReporter, type NodeReporterParts, type ReportPlace } from './node-reporter.ts';

const away = new DriverError('api-unavailable', 'the API server is away');
const format: ReportedFormat = { pool: 'fast', poolUID: 'u', device: 'dax0.0', phase: 'Formatting' };

/** Keeps what is written as an API server does; can be away, and can take a write without saying so. */
class Place implements ReportPlace {
  stored: FamfsNodeStatus | undefined;
  state: 'there' | 'away' | 'mute' = 'there';
  attempts = 0;
  readonly writtenAtMs: number[] = [];

  async read(): Promise<FamfsNodeStatus | undefined> {
    this.attempts++;
    if (this.state !== 'there') throw away;
    return this.stored;
  }

  async write(status: FamfsNodeStatus): Promise<void> {
    this.attempts++;
    if (this.state === 'away') throw away;
    this.stored = status;
    this.writtenAtMs.push(performance.now());
    if (this.state === 'mute') throw away;
  }
}

/** A mounter as its client shows it. */
class Mounter {
  view: MounterView = { state: nodeState('1'), problem: undefined };
  /** Ids of the volumes whose mounts there are. */
  binds: string[] = [];
  path = 'v/a';
  readonly #listeners = new Set<() => void>();

  get calls(): MounterCalls {
    const listBinds = async () => ({
      binds: this.binds.map((volumeId) => ({ volumeId, poolUuid, path: this.path })),
    });
    return { listBinds } as unknown as MounterCalls;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  show(view: Partial<MounterView>): void {
    this.view = { ...this.view, ...view };
    for (const listener of this.#listeners) listener();
  }
}

const pool: Pool = {
  ...{ uuid: poolUuid, device: 'dax0.0', phase: poolPhase.POOL_PHASE_READY, problem: null, role: 0 },
  ...{ mode: famfsMode.MODE_FUSE, mountPath: '/run/p', sizeBytes: 8n << 30n, freeBytes: 8n << 30n },
  ...{ longestFreeRunBytes: 8n << 30n, logEntriesTotal: 100n, logEntriesUsed: 0n },
  ...{ logEntriesReplayed: 0n, binds: 1, held: false, simulated: true, healthyAtMs: 0n },
  ...{ allocationUnitBytes: 2n << 20n, writers: 'safe' },
};

function nodeState(kernelRelease: string): NodeState {
  return {
    ...{ revision: 1n, settled: true, systemUuid: 's', mode: famfsMode.MODE_FUSE, launcher: 'in-place' },
    ...{
      famfsLocation: 'host',
      kernelRelease,
      allowWrites: 'never',
      allowFormat: 'once',
      protocolVersion: 1,
      problems: [],
      devices: [],
      pools: [],
    },
  };
}

describe('the reporter of a node', () => {
  let place: Place;
  let mounter: Mounter;
  let reporter: NodeReporter;
  beforeEach(() => {
    place = new Place();
    mounter = new Mounter();
    reporter = newReporter();
  });
  afterEach(() => reporter.stop());

  function newReporter(options: Partial<NodeReporterParts> = {}): NodeReporter {
    const parts = { place, mounter, driverVersion: '1', intervalMs: 60_000, log: silentLogger };
    return new NodeReporter({ ...parts, ...options });
  }

  const untilKernel = (release: string): Promise<void> =>
    waitUntil(`kernel ${release} is reported`, () => place.stored?.kernelRelease === release);

  it('reports the node, then what changes, and never twice within a second', async () => {
    reporter.start();
    await untilKernel('1');
    for (let release = 2; release <= 60; release++) {
      mounter.show({ state: nodeState(String(release)) });
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
    await untilKernel('60');
    const gaps = place.writtenAtMs.slice(1).map((at, index) => at - (place.writtenAtMs[index] ?? 0));
    assert.ok(gaps.length >= 2, 'it reported while things changed');
    // A timer may fire a moment early.
    assert.ok(
      gaps.every((gapMs) => gapMs >= 990),
      String(gaps),
    );
  });

  it('writes nothing when nothing has changed that it reports', async () => {
    reporter.start();
    await untilKernel('1');
    const before = place.attempts;
    for (let revision = 2n; revision < 5n; revision++)
      mounter.show({ state: { ...nodeState('1'), revision } });
    mounter.show({ state: nodeState('2') });
    await untilKernel('2');
    assert.equal(place.attempts, before + 1);
  });

  it('writes the same again and again, as often as it is told to, for those who wonder whether the node lives', async () => {
    reporter = newReporter({ intervalMs: 20 });
    reporter.start();
    await waitUntil('it has written three times', () => place.writtenAtMs.length >= 3);
    assert.equal(place.stored?.kernelRelease, '1');
  });

  it('keeps its state while the API server is away, and catches up', async () => {
    place.state = 'away';
    reporter.start();
    await waitUntil('it has tried', () => place.attempts >= 1);
    assert.equal(reporter.formats, undefined, 'what was recorded before is not known yet');
    mounter.show({ state: nodeState('2') });
    mounter.binds = ['v1', 'v2'];
    place.state = 'there';
    await untilKernel('2');
    assert.deepEqual(place.stored?.publishedVolumeIDs, ['v1', 'v2']);
    assert.deepEqual(reporter.formats, []);
  });

  it('takes a format for recorded when the API server has said so, not before', async () => {
    reporter.start();
    await untilKernel('1');
    place.state = 'away';
    let isRecorded = false;
    const recording = reporter.recordFormats([format]).then(() => {
      isRecorded = true;
    });
    const before = place.attempts;
    await waitUntil('it has tried in vain', () => place.attempts > before);
    assert.equal(isRecorded, false);
    place.state = 'there';
    await recording;
    assert.deepEqual(place.stored?.formats, [format]);
  });

  it('writes again when only the answer to a write was lost, though all is as it was before that', async () => {
    reporter.start();
    await untilKernel('1');
    place.state = 'mute';
    mounter.show({ state: nodeState('2') });
    await untilKernel('2');
    mounter.show({ state: nodeState('1') });
    place.state = 'there';
    await untilKernel('1');
  });

  it('goes on from what a former process reported, and says why it knows no more', async () => {
    reporter.start();
    mounter.binds = ['v1'];
    await untilKernel('1');
    await reporter.recordFormats([format]);
    await reporter.stop();
    const problem = new DriverError('mounter-unavailable', 'nobody listens');
    mounter.show({ state: undefined, problem });
    reporter = newReporter();
    reporter.start();
    const ready = () => place.stored?.conditions.find(({ type }) => type === 'Ready');
    await waitUntil('it says what is wrong', () => ready()?.reason === 'MounterUnavailable');
    assert.deepEqual(reporter.formats, [format]);
    assert.deepEqual(place.stored?.publishedVolumeIDs, ['v1']);
    assert.equal(place.stored?.kernelRelease, '1');
  });

  it('says when the volumes that the node has published are others than before, once the API server knows', async () => {
    const known: (readonly string[] | undefined)[] = [];
    const onPublished = (): void => void known.push(place.stored?.publishedVolumeIDs);
    reporter = newReporter({ onPublished });
    mounter.binds = ['v1'];
    reporter.start();
    await untilKernel('1');
    mounter.show({ state: nodeState('2') });
    await untilKernel('2');
    mounter.binds = [];
    mounter.show({ state: nodeState('3') });
    await untilKernel('3');
    assert.deepEqual(known, [['v1'], []]);
  });

  it('says so, too, when the same volume has something else of a pool mounted', async () => {
    const known: (readonly string[] | undefined)[] = [];
    const onPublished = (): void => void known.push(place.stored?.pools[0]?.boundPaths);
    reporter = newReporter({ onPublished });
    mounter.binds = ['v1'];
    mounter.show({ state: { ...nodeState('1'), pools: [pool] } });
    reporter.start();
    await untilKernel('1');
    mounter.path = 'v/b';
    mounter.show({ state: { ...nodeState('2'), pools: [pool] } });
    await untilKernel('2');
    assert.deepEqual(known, [['v/a'], ['v/b']]);
  });

  it('ends at once, whoever waits', async () => {
    place.state = 'away';
    reporter.start();
    await waitUntil('it has tried', () => place.attempts >= 1);
    const waiting = assert.rejects(reporter.recordFormats([format]), { reason: 'shutting-down' });
    await reporter.stop();
    await waiting;
    await assert.rejects(reporter.recordFormats([format]), { reason: 'shutting-down' });
  });
});
