// One pool never disturbs another (design 6, rule 7). A node has a healthy pool and, one after the other, a second one
// that is dead, hung, hung with a caller that nothing can end, poisoned, formatted by another node, or held by somebody
// else. The healthy one serves on all the while; calls of the ill one end with the true cause before their deadline of a
// second; everybody who asks is told; and when the cause has gone, all is well without a restart.
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { camelCaseReason } from '../../src/csi/health.ts';
import type { Reason } from '../../src/errors.ts';
import { processState } from '../../src/linux/processes.ts';
import type { ClusterNode } from '../cluster-node.ts';
import { writeFileSystem } from '../file-system-writer.ts';
import { hangForGood } from '../hung-file-system.ts';
import { mountElsewhere } from '../mounted-elsewhere.ts';
import { assertNothingLeaked, enterPrivateMounts } from '../private-mounts.ts';
import { outcomeOf } from '../served-csi.ts';
import { SimulatedCluster } from '../simulated-cluster.ts';
import { waitUntil } from '../wait-until.ts';
import { DrivenNode } from './driven-node.ts';
import { inTime } from './patient-calls.ts';
import { publishRequest, SteadyCalls } from './steady-calls.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

/** What a caller gives a call: one of an ill pool has to be told the cause before, where the machine lets it run. */
const deadlineMs = 1000;
/** What the first caller gives who meets a mount that hangs: he waits for as long as a mount may take to answer. */
const firstDeadlineMs = 12_000;
/** For what no caller waits for. */
const patienceMs = 180_000;
/** As they are in the product, but for the last: a machine that runs all tests may keep a sound mount waiting for longer. */
const mounterFlags = { 'scan-interval': '2s', 'health-interval': '2s', 'probe-timeout': '4s' };

/** A way for a pool to be ill. */
interface Illness {
  readonly name: string;
  readonly reason: Reason;
  readonly code: string;
  /** What a person reads. */
  readonly says: RegExp;
  /** Brings it about; resolves with what ends it. `held` is a volume of the pool that is published. */
  readonly begin: (held: string) => Promise<() => Promise<void> | void>;
}

function isHang({ reason }: Illness): boolean {
  return reason === 'pool-hung';
}

describe('a pool beside one that is ill', { skip }, () => {
  let cluster: SimulatedCluster;
  let node: ClusterNode;
  let other: ClusterNode;
  let driven: DrivenNode;
  let soundUuid: string;
  let illUuid: string;
  let pods = 0;
  let steady: SteadyCalls | undefined;

  before(async () => {
    cluster = new SimulatedCluster();
    await Promise.all(['sound', 'ill'].map((name) => cluster.addMemory(name)));
    node = await cluster.addNode('a', { devices: { 'dax0.0': 'sound', 'dax1.0': 'ill' } });
    other = await cluster.addNode('b', { devices: { 'dax0.0': 'ill' } });
    const files = { 'set/data': 'sound' };
    // Of the ill pool this node is a client: its publishes look into the log first.
    [soundUuid, illUuid] = await Promise.all([
      writeFileSystem(cluster, node, 'dax0.0', { files }),
      writeFileSystem(cluster, other, 'dax0.0', { files: { 'set/data': 'ill' } }),
    ]);
    driven = await DrivenNode.start(cluster, node, { mounterFlags });
    await driven.mounter.ready(soundUuid, illUuid);
  });
  afterEach(() => steady?.end());
  after(async () => {
    driven?.close();
    await cluster.close();
  });

  const daemon = (): number => cluster.daemonOf(node, illUuid) ?? assert.fail('the pool has no daemon');
  const publishIll = (volumeId: string, timeoutMs = patienceMs) => {
    const target = node.target(volumeId);
    const request = publishRequest(volumeId, target, { pool: illUuid, path: 'set' });
    return driven.calls.nodePublishVolume(request, { timeoutMs });
  };
  /** As kubelet does: until it goes through. */
  const publishSoon = (volumeId: string) =>
    waitUntil(
      'the pool is published',
      () =>
        publishIll(volumeId).then(
          () => true,
          () => false,
        ),
      patienceMs,
    );
  const unpublish = (volumeId: string) =>
    driven.calls.nodeUnpublishVolume(
      { volumeId, targetPath: node.target(volumeId) },
      { timeoutMs: patienceMs },
    );

  const illnesses: readonly Illness[] = [
    {
      name: 'dead',
      reason: 'pool-dead',
      code: 'UNAVAILABLE',
      says: /daemon of the pool has ended/,
      begin: async () => {
        process.kill(daemon(), 'SIGKILL');
        return () => undefined;
      },
    },
    {
      name: 'hung',
      reason: 'pool-hung',
      code: 'UNAVAILABLE',
      says: /does not answer/,
      begin: async () => {
        const pid = daemon();
        process.kill(pid, 'SIGSTOP');
        return () => void process.kill(pid, 'SIGCONT');
      },
    },
    {
      name: 'hung with a caller that nothing can end',
      reason: 'pool-hung',
      code: 'UNAVAILABLE',
      says: /does not answer/,
      begin: async () => {
        const { caller, end } = await hangForGood(node.poolPath(illUuid), 'set/data');
        return () => {
          assert.equal(processState(caller.pid ?? 0)?.state, 'D', 'it was stuck all the time');
          return end();
        };
      },
    },
    {
      name: 'poisoned',
      reason: 'pool-memory-failed',
      code: 'UNAVAILABLE',
      says: /memory of the pool cannot be read/,
      begin: async () => {
        const poison = path.join(cluster.memory('ill'), 'poisoned');
        writeFileSync(poison, `${node.places.root}\n`);
        return () => rmSync(poison);
      },
    },
    {
      name: 'held elsewhere',
      reason: 'pool-held-elsewhere',
      code: 'UNAVAILABLE',
      says: /is mounted already, by .* \(pid \d+\)|another mount on this machine.* holds the device/,
      begin: holdElsewhere,
    },
    {
      name: 'formatted by another node',
      reason: 'pool-reformatted',
      code: 'FAILED_PRECONDITION',
      says: /another host formatted it/,
      begin: async () => {
        const newUuid = await writeFileSystem(cluster, other, 'dax0.0', { files: { 'set/data': 'new' } });
        return () => {
          illUuid = newUuid;
        };
      },
    },
  ];

  for (const illness of illnesses) {
    it(`serves while the other is ${illness.name}, which says so and is well again by itself`, async (t) => {
      const pids = [driven.pluginPid, driven.mounter.pid];
      const held = `held-${pods++}`;
      await publishSoon(held);
      steady = new SteadyCalls(driven, { pool: soundUuid, path: 'set' }, 'sound');
      const heal = await illness.begin(held);
      try {
        const refused = await assertRefused(illness, steady, isHang(illness) ? firstDeadlineMs : deadlineMs);
        await assertTold(illness, refused);
        await assertRefused(illness, steady, deadlineMs);
      } finally {
        await heal();
      }
      await unpublish(held);
      await driven.mounter.ready(illUuid);
      await publishSoon(`again-${held}`);
      await unpublish(`again-${held}`);
      await waitUntil('nothing is called ill', async () => (await storageReasons()).length === 0, patienceMs);
      await steady.end();
      assert.deepEqual(steady.failures, []);
      assert.deepEqual([driven.pluginPid, driven.mounter.pid], pids, 'nothing was started anew');
      t.diagnostic(`${steady.cycles} cycles of the healthy volume meanwhile`);
    });
  }

  /** A new publish fails with the cause, in its time. While it waits, the healthy pool serves. */
  async function assertRefused(illness: Illness, healthy: SteadyCalls, timeoutMs: number): Promise<string> {
    let volumeId = '';
    let isPending = true;
    const ending = inTime(
      { deadlineMs: timeoutMs, pids: [driven.pluginPid, driven.mounter.pid] },
      (grantedMs) => {
        volumeId = `refused-${pods++}`;
        return outcomeOf(publishIll(volumeId, grantedMs));
      },
      ({ code }) => code === 'DEADLINE_EXCEEDED',
    ).finally(() => {
      isPending = false;
    });
    const { cycles } = healthy;
    const hasServed = (): boolean => healthy.cycles > cycles + 1;
    await waitUntil('the healthy pool has served', () => !isPending || hasServed());
    if (timeoutMs === firstDeadlineMs)
      assert.ok(hasServed(), 'the healthy pool waited for the one that hangs');
    const { code, message } = await ending;
    assert.equal(code, illness.code, message);
    assert.match(message, illness.says);
    assert.ok(!cluster.mountPoints().includes(node.target(volumeId)));
    return volumeId;
  }

  /** Whoever asks is told in time: about the volume that could not be published, about the node, in the log. */
  async function assertTold({ reason }: Illness, volumeId: string): Promise<void> {
    const told = camelCaseReason(reason);
    await waitUntil('the node is told', async () => (await storageReasons()).includes(told), patienceMs);
    const { volumeHealth } = await driven.calls.nodeGetVolumeHealth({ volumeId }, { timeoutMs: patienceMs });
    assert.deepEqual(
      volumeHealth?.healthStatuses.map((each) => each.reason),
      [told],
    );
    // A pool that is ill is no reason to restart the plugin, and Probe does not ask for it.
    assert.equal((await driven.identity.probe({})).ready?.value, true);
    assert.match(driven.mounter.log, new RegExp(`pool not usable .*pool=${illUuid} .*reason=${reason}`));
  }

  async function storageReasons(): Promise<string[]> {
    const { backendHealth } = await driven.calls.nodeGetStorageHealth({}, { timeoutMs: patienceMs });
    return backendHealth.map((each) => each.reason);
  }

  /** The pool's mount has ended, and before it is made again another mount namespace has the device. */
  async function holdElsewhere(held: string): Promise<() => Promise<void>> {
    node.spoil('case "$1 $*" in "mount "*" -D "*) ;; "mount "*) exit 1 ;; esac');
    await unpublish(held);
    process.kill(daemon(), 'SIGKILL');
    await driven.mounter.untilProblem(illUuid, 'command-failed');
    const end = await mountElsewhere({
      famfs: `${node.places.root}/bin/famfs`,
      device: node.device('dax1.0'),
      place: path.join(cluster.directory, 'famfs-elsewhere'),
      env: { FAMFS_SIM_TMP: `${node.places.root}/run/tmp` },
    });
    node.mend();
    await driven.mounter.untilProblem(illUuid, 'pool-held-elsewhere');
    return end;
  }
});
