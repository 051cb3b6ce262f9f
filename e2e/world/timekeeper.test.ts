import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import type { Fields, KubeObject, ObjectName } from './kube-api.ts';
import { podObject } from './pod-shapes.ts';
import { Timekeeper } from './timekeeper.ts';

const withoutMs = 1000;
const namespace = 'timed';
const images = { smallImage: 'small', driverImage: 'driver' };

let nowMs: number;
let objects: Map<string, KubeObject>;
let timekeeper: Timekeeper;

const key = ({ kind, metadata }: ObjectName): string => `${kind}/${metadata.name}`;

/** As an API server would, it takes time to answer. */
function serverOf(kept: Map<string, KubeObject>) {
  return {
    async get(name: ObjectName): Promise<KubeObject | undefined> {
      nowMs += 1;
      return kept.get(key(name));
    },
    async create(object: KubeObject): Promise<KubeObject> {
      nowMs += 10;
      kept.set(key(object), object);
      return object;
    },
  };
}

function claimObject(name: string, storageClassName: string): KubeObject {
  const metadata = { name, namespace };
  return { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata, spec: { storageClassName } };
}

/** Its status is what somebody sees who waits for it. */
function seen(kind: 'Pod' | 'PersistentVolumeClaim', name: string, status: Fields): KubeObject {
  const object = { ...objects.get(`${kind}/${name}`), status } as KubeObject;
  objects.set(`${kind}/${name}`, object);
  return object;
}

const ready = { conditions: [{ type: 'Ready', status: 'True' }] };
const bound = { phase: 'Bound' };

const startPod = (name: string, ...claims: readonly (string | Fields)[]): Promise<KubeObject> =>
  timekeeper.pod(podObject({ name, volumes: claims.map((claim) => ({ claim })) }, namespace, images));

beforeEach(() => {
  nowMs = 0;
  objects = new Map();
  for (const [name, volumeBindingMode] of [
    ['now', 'Immediate'],
    ['late', 'WaitForFirstConsumer'],
  ] as const) {
    const storageClass = { apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass', metadata: { name } };
    objects.set(key(storageClass), { ...storageClass, volumeBindingMode });
  }
  timekeeper = new Timekeeper(serverOf(objects), withoutMs, () => nowMs);
});

describe('a claim', () => {
  test('of a class that binds at once is timed from its creation', async () => {
    await timekeeper.claim(claimObject('data', 'now'));
    timekeeper.claimAwaited('data');
    nowMs = 301;
    timekeeper.claimSeen(seen('PersistentVolumeClaim', 'data', { phase: 'Pending' }));
    nowMs = 501;
    timekeeper.claimSeen(seen('PersistentVolumeClaim', 'data', bound));
    // The class was asked for before.
    assert.deepEqual(timekeeper.times.claims, {
      count: 1,
      atOnce: 1,
      median: 0.5,
      longest: 0.5,
      leftOut: 0,
    });
  });

  test('of a class that waits for a pod is timed from the first pod that uses it, by who waits for the pod', async () => {
    await timekeeper.claim(claimObject('data', 'late'));
    nowMs = 100_000;
    const pod = await startPod('user', 'data');
    timekeeper.podAwaited('user');
    await timekeeper.podSeen(pod);
    seen('PersistentVolumeClaim', 'data', bound);
    nowMs = 100_749;
    await timekeeper.podSeen(pod);
    const other = await startPod('other', 'data');
    timekeeper.podAwaited('other');
    await timekeeper.podSeen(other);
    const { claims, pods } = timekeeper.times;
    assert.deepEqual(claims, { count: 1, atOnce: 1, median: 0.75, longest: 0.75, leftOut: 0 });
    assert.equal(pods.count, 0);
  });

  test('that was there before somebody waited is left out', async () => {
    await timekeeper.claim(claimObject('data', 'now'));
    nowMs = 500;
    timekeeper.claimAwaited('data');
    timekeeper.claimSeen(seen('PersistentVolumeClaim', 'data', bound));
    assert.deepEqual(timekeeper.times.claims, { count: 0, atOnce: 0, leftOut: 1 });
  });

  test('that nobody made here, as an administrator makes them by hand, is not counted', async () => {
    objects.set('PersistentVolumeClaim/by-hand', {
      ...claimObject('by-hand', ''),
      status: bound,
    });
    const pod = await startPod('user', 'by-hand');
    timekeeper.podAwaited('user');
    await timekeeper.podSeen(pod);
    assert.deepEqual(timekeeper.times.claims, { count: 0, atOnce: 0, leftOut: 0 });
  });
});

describe('a pod', () => {
  async function startAndSee(name: string, ...claims: readonly (string | Fields)[]): Promise<void> {
    await startPod(name, ...claims);
    timekeeper.podAwaited(name);
    nowMs += 1990;
    await timekeeper.podSeen(seen('Pod', name, ready));
  }

  test('with a volume of famfs is timed until it is ready, by claim or of its own', async () => {
    await startAndSee('by-claim', 'data');
    await startAndSee('of-its-own', { csi: { driver: 'csi.famfs.io' } });
    assert.deepEqual(timekeeper.times.pods, { count: 2, atOnce: 1, median: 2, longest: 2, leftOut: 0 });
  });

  test('with other volumes or none is not counted', async () => {
    await startAndSee('none');
    await startAndSee('other', { emptyDir: {} }, { csi: { driver: 'another.driver' } });
    assert.deepEqual(timekeeper.times.pods, { count: 0, atOnce: 0, leftOut: 0 });
  });

  test('that the scenario leaves alone at first is left out', async () => {
    await startPod('held-up', 'data');
    nowMs = withoutMs + 1;
    timekeeper.podAwaited('held-up');
    await timekeeper.podSeen(seen('Pod', 'held-up', ready));
    assert.deepEqual(timekeeper.times.pods, { count: 0, atOnce: 0, leftOut: 1 });
  });
});
