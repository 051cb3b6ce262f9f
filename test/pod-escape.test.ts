// What a pod can do inside of its volumes: everything is tried, by nobody and by root, read-only and writable, and
// docs/security-model.md says exactly what comes of it.
import assert from 'node:assert/strict';
import { chmodSync, chownSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { checked, declareFunction } from '../src/linux/libc.ts';
import { mountFileSystem, mountFlags, unmount } from '../src/linux/mounts.ts';
import type { ClusterNode } from './cluster-node.ts';
import { type PodPlan, type PodUser, runInPod, runWithoutPod } from './pod/pod.ts';
import { assertNothingLeaked, enterPrivateMounts } from './private-mounts.ts';
import type { RunningMounter } from './running-mounter.ts';
import { SimulatedCluster } from './simulated-cluster.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

const program = path.join(import.meta.dirname, 'pod/attempts-main.ts');
const page = path.join(path.dirname(import.meta.dirname), 'docs/security-model.md');
const columns = ['read-only, nobody', 'read-only, root', 'writable, nobody', 'writable, root'] as const;
type Column = (typeof columns)[number];

interface Outcome {
  readonly attempt: string;
  readonly succeeded: boolean;
  readonly detail: string;
}

describe('a pod with every usual right', { skip }, () => {
  let cluster: SimulatedCluster;
  let node: ClusterNode;
  let mounter: RunningMounter;
  let poolUuid: string;

  before(async () => {
    cluster = new SimulatedCluster();
    await cluster.addMemory();
    node = await cluster.addNode('a');
    poolUuid = await node.format('dax0.0');
    mounter = cluster.startMounter(node, { 'allow-writes': 'unsafe' });
    await mounter.ready(poolUuid);
    await node.cp(makeVolume(path.join(cluster.directory, 'samples')), poolUuid, 'pool');
    await cluster.startPlugin(node);
  });
  after(() => cluster?.close());

  async function tryInPod(column: Column): Promise<Outcome[]> {
    const writable = column.startsWith('writable');
    const user: PodUser = column.endsWith('root') ? 'root' : 'nobody';
    openToAll(node.poolPath(poolUuid, 'pool/volume'));
    const name = column.replace(', ', '-');
    const [target, executable] = [node.target(name), node.target(`${name}-exec`)];
    const order = { poolUuid, path: 'pool/volume', volumeId: name };
    await mounter.calls.bind({ ...order, target, writable });
    await mounter.calls.bind({ ...order, target: executable, allowExec: true });
    const plan: PodPlan = {
      volume: '/volume',
      executable: '/exec',
      sockets: '/sockets',
      hidden: node.places.pools,
      scratch: '/tmp',
    };
    try {
      const mounts = { '/volume': target, '/exec': executable, '/sockets': sockets() };
      const root = path.join(cluster.directory, `pod-${name}`);
      return outcomesIn(await runInPod({ root, user, mounts }, program, JSON.stringify(plan)));
    } finally {
      // A truncate has ended the daemon; the pool is there again when nobody uses it any more.
      if (writable) await mounter.untilProblem(poolUuid, 'pool-dead');
      for (const each of [target, executable]) await mounter.calls.unbind({ target: each, volumeId: name });
      await mounter.ready(poolUuid);
    }
  }

  /** The same without any protection: a plain folder with all rights, and the host all around. */
  async function tryUnprotected(user: PodUser): Promise<Outcome[]> {
    const folder = makeVolume(path.join(cluster.directory, `unprotected-${user.split(' ')[0]}`));
    const volume = path.join(folder, 'volume');
    const scratch = path.join(volume, 'sub/scratch');
    openToAll(volume);
    mkdirSync(scratch);
    chmodSync(scratch, 0o777);
    mkdirSync(path.join(folder, '.meta'));
    setExtendedAttribute(path.join(volume, 'data'), 'user.famfs.shadow', scratch);
    mountFileSystem({ source: volume, target: volume, type: 'none', flags: mountFlags.bind });
    const hidden = node.places.pools;
    const plan: PodPlan = { volume, executable: volume, sockets: sockets(), hidden, scratch };
    try {
      return outcomesIn(await runWithoutPod(user, program, JSON.stringify(plan)));
    } finally {
      unmount(volume, { detach: true });
    }
  }

  const sockets = (): string => path.dirname(node.places.mounterSocket);

  it('does what docs/security-model.md says, and nothing else', async (t) => {
    const verdicts = new Map<string, string[]>();
    for (const column of columns) {
      for (const { attempt, succeeded, detail } of await tryInPod(column)) {
        verdicts.set(attempt, [...(verdicts.get(attempt) ?? []), succeeded ? '**yes**' : 'no']);
        t.diagnostic(`${column}: ${attempt}: ${succeeded ? 'done' : 'refused'}: ${detail}`);
      }
    }
    const found = [...verdicts].map(([attempt, each]) => `| ${[attempt, ...each].join(' | ')} |`);
    const documented = readFileSync(page, 'utf8')
      .split('\n')
      // Other tables of the page have one verdict a line.
      .filter((line) => /(?: \| (?:no|\*\*yes\*\*)){4} \|$/.test(line));
    assert.deepEqual(documented, found);
  });

  it('is tried by attempts that succeed where nothing protects, unless Linux allows them to nobody', async (t) => {
    const outcomes = [
      ...(await tryUnprotected('nobody')),
      ...(await tryUnprotected('root with all capabilities')),
    ];
    for (const { attempt, succeeded, detail } of outcomes)
      if (!succeeded) t.diagnostic(`${attempt}: ${detail}`);
    const succeeded = new Set(outcomes.flatMap((each) => (each.succeeded ? [each.attempt] : [])));
    const never = new Set(outcomes.map(({ attempt }) => attempt).filter((each) => !succeeded.has(each)));
    assert.deepEqual([...never], neverAllowed);
  });
});

function outcomesIn(text: string): Outcome[] {
  return text
    .trim()
    .split('\n')
    .map((line): Outcome => JSON.parse(line));
}

/** What Linux refuses to everybody, or what only a FUSE file system could answer; tried because it should stay so. */
const neverAllowed: readonly string[] = [
  'open the root of the pool by a forged handle',
  'map it writable over a descriptor that only reads',
  'store through `/proc/self/mem` to a mapping that only reads',
  'punch a hole through a mapping that only reads (`MADV_REMOVE`)',
  'register a backing file with FUSE (ioctl)',
  'unmount it in a user namespace of its own',
];

const setxattrFunction = declareFunction('setxattr', 'int', ['str', 'str', 'void *', 'size_t', 'int']);

function setExtendedAttribute(file: string, name: string, value: string): void {
  checked('setxattr', setxattrFunction(file, name, Buffer.from(value), Buffer.byteLength(value), 0), file);
}

const files = ['data', 'victim', 'sub/inner', 'sub/renamed', 'sub/moved', 'sub/removed', 'sub/frozen'];

/** A folder of a pool with two volumes, `volume` and `other`. */
function makeVolume(folder: string): string {
  for (const directory of ['volume/sub', 'volume/empty', 'other'])
    mkdirSync(path.join(folder, directory), { recursive: true });
  for (const name of files) writeFileSync(path.join(folder, 'volume', name), `${name}\n`.repeat(3000));
  writeFileSync(path.join(folder, 'other/data'), 'of somebody else');
  copyFileSync('/usr/bin/id', path.join(folder, 'volume/tool'));
  return folder;
}

/** Gives everything to nobody, and every right to everybody, so that nothing but the publish protects it. */
function openToAll(volume: string): void {
  for (const name of ['.', 'sub', 'empty', ...files]) {
    chownSync(path.join(volume, name), 65534, 65534);
    chmodSync(path.join(volume, name), 0o777);
  }
  chownSync(path.join(volume, 'tool'), 0, 0);
  chmodSync(path.join(volume, 'tool'), 0o4755);
}
