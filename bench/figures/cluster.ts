// The driver on a cluster: what a volume asks of the API server, whether creating one grows with those that there are, and the
// memory of controller and agent.
import type { ApiObject } from '../../src/kubernetes/api-object.ts';
import type { FamfsVolume } from '../../src/kubernetes/famfs-volume.ts';
import { famfsVolumes, persistentVolumeClaims } from '../../src/kubernetes/resources.ts';
import { objectOfVolume, statusOfVolume } from '../../src/kubernetes/volume-object.ts';
import type { PoolUuid } from '../../src/volumes/ids.ts';
import { newSlotName, newVolumeId, type VolumeRecord } from '../../src/volumes/volume-record.ts';
import { ClusterHost, type MadeVolume, type RequestCounts } from '../cluster-host.ts';
import type { Bench, Figure } from '../figure.ts';
import { fromRounds, type Measurement, median } from '../measurement.ts';

const timesWithoutVolumes = 1.25;
const agentLimitMib = 120;
const writersAtOnce = 8;

export const cluster: Figure = {
  name: 'cluster',
  summary: 'what volumes ask of a real API server, and the memory of controller and agent',
  needs: ['go', 'root', 'kubernetes'],
  async measure(bench) {
    const host = await ClusterHost.start(bench, 'cluster');
    try {
      const atRest = memoryAt(host, 'at-rest', 'at rest', { agentLimitMib });
      return [
        ...(await measureRequests(bench, host)),
        ...atRest,
        ...(await measureBesideVolumes(bench, host)),
      ];
    } finally {
      await host.stop();
    }
  },
};

/** About a volume and its claim. Following a kind costs the same whatever is done with its objects. */
const ofVolumes = /^(?:famfsvolumes|persistentvolumeclaims|events) (?!watch$|list$)/;
/** What is written once a second at most, however much happens. */
const ofReports = /^(?:famfsnodes|famfspools) (?!watch$|list$)/;

function sumOf(before: RequestCounts, after: RequestCounts, counted: RegExp): number {
  return [...after]
    .filter(([key]) => counted.test(key))
    .reduce((sum, [key, count]) => sum + count - (before.get(key) ?? 0), 0);
}

async function measureRequests({ effort, progress }: Bench, host: ClusterHost): Promise<Measurement[]> {
  const count = effort.isQuick ? 5 : 50;
  progress(`requests to the API server for ${count} volumes`);
  const volumes: MadeVolume[] = [];
  const create = await measured(host, async () => {
    for (let number = 0; number < count; number++) volumes.push(await host.createVolume());
  });
  const publish = await measured(host, async () => {
    for (const volume of volumes) await host.publishAndUnpublish(volume);
  });
  const end = await measured(host, async () => {
    for (const volume of volumes) await host.deleteVolume(volume);
  });
  const of = (name: string, title: string, value: number, unit = 'requests'): Measurement => ({
    ...{ name, title, value, unit },
  });
  return [
    of('requests-create', 'Requests to the API server for a volume that is created', create.own / count),
    {
      ...of(
        'requests-publish',
        'Requests to the API server for a volume that is published and unpublished',
        publish.own / count,
      ),
      goal: { kind: 'at-most', value: 0 },
    },
    of('requests-delete', '  for one that is deleted', end.own / count),
    of(
      'reports-while-publishing',
      '  reports on node and pool meanwhile',
      publish.reports / publish.seconds,
      '1/s',
    ),
  ];
}

async function measured(
  host: ClusterHost,
  work: () => Promise<void>,
): Promise<{ readonly own: number; readonly reports: number; readonly seconds: number }> {
  const before = await host.requests();
  const beganAtMs = performance.now();
  await work();
  const seconds = (performance.now() - beganAtMs) / 1000;
  const after = await host.requests();
  return { own: sumOf(before, after, ofVolumes), reports: sumOf(before, after, ofReports), seconds };
}

/** On the way up only: one controller has to keep them all. */
async function measureBesideVolumes(bench: Bench, host: ClusterHost): Promise<Measurement[]> {
  const { isQuick, rounds: roundCount } = bench.effort;
  const createCount = isQuick ? 2 : 10;
  const times = async (): Promise<readonly number[]> => {
    const rounds: number[] = [];
    for (let round = 0; round < roundCount; round++) {
      const found: number[] = [];
      for (let number = 0; number < createCount; number++) found.push((await host.createVolume()).ms);
      rounds.push(median(found));
    }
    return rounds;
  };
  const alone = await times();
  const measurements: Measurement[] = [
    fromRounds({ name: 'cluster-create-p50', title: 'CreateVolume on a cluster: p50', unit: 'ms' }, alone),
  ];
  let present = 0;
  for (const count of isQuick ? [50, 100] : [1000, 5000, 10_000]) {
    bench.progress(`${count.toLocaleString('en')} volumes and claims in the cluster`);
    await addVolumes(host, present, count);
    present = count;
    const text = count.toLocaleString('en');
    // Whoever has seen the record of this one has seen those of all before.
    await host.createVolume();
    const beside = await times();
    measurements.push(
      fromRounds(
        {
          name: `cluster-create-beside-${count}`,
          title: `CreateVolume on a cluster beside ${text} volumes: time, times that beside none`,
          unit: '×',
          goal: { kind: 'at-most', value: timesWithoutVolumes },
        },
        beside.map((ms) => ms / median(alone)),
      ),
      ...memoryAt(host, `with-${count}`, `with ${text} volumes and claims`),
    );
  }
  return measurements;
}

function memoryAt(
  host: ClusterHost,
  when: string,
  whenText: string,
  limits: { readonly agentLimitMib?: number } = {},
): Measurement[] {
  return (['controller', 'agent'] as const).map((role) => ({
    name: `memory-${role}-${when}`,
    title: `Memory of the ${role} ${whenText}`,
    unit: 'MiB',
    value: host.memoryOf(role).residentBytes / 2 ** 20,
    ...(role === 'agent' && limits.agentLimitMib !== undefined
      ? { goal: { kind: 'at-most', value: limits.agentLimitMib } as const }
      : {}),
    curve: { of: role, at: whenText },
  }));
}

/** Volumes that are ready, with their claims, as they would be after a long time; of one pool, so that its node sees them all. */
async function addVolumes(host: ClusterHost, from: number, to: number): Promise<void> {
  let next = from;
  const write = async (): Promise<void> => {
    while (next < to) await addVolume(host, next++);
  };
  await Promise.all(Array.from({ length: writersAtOnce }, write));
}

async function addVolume({ admin, pool }: ClusterHost, number: number): Promise<void> {
  const claim = { namespace: 'default', name: `claim-${number}` };
  const made = await admin.create<ApiObject>(persistentVolumeClaims, claimObject(claim));
  const record = readyVolume(pool as PoolUuid, `pvc-${made.metadata.uid ?? number}`, claim);
  // Its own node would begin to make it: until it is ready it is another's.
  const object = objectOfVolume({ ...record, spec: { ...record.spec, node: 'elsewhere' } });
  const { name } = object.metadata;
  await admin.create<FamfsVolume>(famfsVolumes, object);
  const status = statusOfVolume(record, undefined, new Date());
  await admin.mergePatch<FamfsVolume>(famfsVolumes, name, { status }, { subresource: 'status' });
  await admin.mergePatch<FamfsVolume>(famfsVolumes, name, { spec: { nodeName: record.spec.node } });
}

function claimObject(metadata: { readonly namespace: string; readonly name: string }): ApiObject {
  const spec = {
    ...{ accessModes: ['ReadWriteMany'], storageClassName: 'famfs' },
    resources: { requests: { storage: '2Mi' } },
  };
  return { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata, ...{ spec } };
}

function readyVolume(
  poolUuid: PoolUuid,
  name: string,
  claim: { readonly namespace: string; readonly name: string },
): Omit<VolumeRecord, 'version'> {
  const sizeBytes = 2n << 20n;
  return {
    ...{ name, deleting: false },
    spec: {
      ...{ volumeId: newVolumeId(poolUuid), poolName: 'bench', poolUuid, slot: newSlotName(), node: 'bench' },
      layout: { kind: 'file', fileCount: 1, fileSizeBytes: sizeBytes, fileMode: 0o666, owner: undefined },
      ...{ range: { requiredBytes: sizeBytes, limitBytes: 0n }, access: 'rw', claim },
    },
    status: { phase: 'Ready', filesMade: 1, bytesZeroed: sizeBytes, logEntries: 3, problem: undefined },
  };
}
