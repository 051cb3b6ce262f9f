// A run on a pool that was there before: a simulated node that the benchmark did not make stands for the hardware, which
// is all that differs. And what the benchmark puts into pools.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { mountFileSystem, unmount } from '../src/linux/mounts.ts';
import { assertNothingLeaked, enterPrivateMounts } from '../test/private-mounts.ts';
import { goVersion } from '../tools/go-program.ts';
import { PoolData } from './pool-data.ts';
import { createSimulatedNode, type SimulatedNode } from './simulated-node.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
const script = path.join(import.meta.dirname, 'bench.ts');
let folder: string;
let node: SimulatedNode;

before(() => {
  if (skip !== false) return;
  folder = mkdtempSync(path.join(os.tmpdir(), 'famfs-csi-hardware-test-'));
  mountFileSystem({ source: 'famfs-csi-test', target: folder, type: 'tmpfs', data: 'mode=700,size=50%' });
  process.env.FAMFS_SIM_TMP = folder;
  node = createSimulatedNode(path.join(folder, 'simulated'));
});
after(async () => {
  if (skip !== false) return;
  unmount(folder, { detach: true });
  rmSync(folder, { recursive: true });
  await assertNothingLeaked();
});

function bench(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const mounter = Object.entries(node.mounterFlags).flatMap(([flag, value]) => [
    '--mounter',
    `${flag}=${value}`,
  ]);
  const pool = ['--hardware', '--pool', node.pool, '--path', 'scratch/bench'];
  const argv = ['--disable-warning=ExperimentalWarning', script, ...pool, '--quick', ...mounter, ...args];
  return spawnSync(process.execPath, argv, { encoding: 'utf8' });
}

/** Names and sizes of all that is in the memory. */
const files = () =>
  execFileSync('find', [node.deviceFolder, '-type', 'f', '-printf', '%P %s\n'], { encoding: 'utf8' })
    .trimEnd()
    .split('\n')
    .sort();

describe('npm run bench -- --hardware', () => {
  const needsGo =
    goVersion() === undefined ? 'Go is not installed, and peer and client are Go programs' : skip;

  test('makes no file in a pool without being told to', { skip }, () => {
    const before = files();
    const { status, stderr } = bench('--only', 'burst');
    assert.equal(status, 1);
    assert.match(stderr, /has no file scratch\/bench\/published\/data; with --create/);
    assert.deepEqual(files(), before);
  });

  test('measures there, in the same JSON, and uses its files again', { skip: needsGo }, () => {
    const json = path.join(folder, 'figures.jsonl');
    const chosen = ['burst', 'time-to-ready'];
    const only = chosen.flatMap((name) => ['--only', name]);
    const first = bench(...only, '--create', '--json', json);
    assert.equal(first.status, 0, first.stdout + first.stderr);
    assert.match(first.stdout, /measured on a pool of this machine/);
    const lines = readFileSync(json, 'utf8').trimEnd().split('\n');
    const names = lines.map((line) => (JSON.parse(line) as { name: string }).name);
    for (const name of ['burst-p99', 'time-to-ready-flatness']) assert.ok(names.includes(name), names.join());
    const before = files();
    const second = bench('--only', 'burst');
    assert.equal(second.status, 0, second.stdout + second.stderr);
    assert.deepEqual(files(), before);
  });
});

describe('data for the benchmark', () => {
  const sizeBytes = 24 * 2 ** 20;
  const usedBytes = () => {
    const { blocks, bfree, bsize } = statfsSync(folder);
    return (blocks - bfree) * bsize;
  };

  test('is really there, and its memory is given back when it is simulated', { skip }, async () => {
    const mount = path.join(folder, 'famfs');
    mkdirSync(mount);
    const famfs = path.join(node.mounterFlags['famfs-bin-dir'] ?? '', 'famfs');
    const lockDir = path.join(folder, 'test-locks');
    mkdirSync(lockDir);
    execFileSync(famfs, ['mount', '--fuse', path.join(node.mounterFlags['dev-root'] ?? '', 'dax0.0'), mount]);
    try {
      const data = new PoolData({
        ...{ pool: node.pool, poolPath: mount, base: 'direct', famfs, lockDir, mayCreate: true },
        deviceFolder: node.deviceFolder,
      });
      const empty = usedBytes();
      const { absolute, volumeContext, free } = await data.directory('of/it', sizeBytes);
      assert.deepEqual(volumeContext, { pool: node.pool, path: 'direct/of/it' });
      assert.ok(usedBytes() - empty >= sizeBytes, 'the data is not all there');
      assert.ok(existsSync(path.join(absolute, 'data')));
      await assert.rejects(data.directory('of/it', sizeBytes + 1), /has 25165824 bytes, not 25165825/);
      free();
      assert.ok(usedBytes() - empty < sizeBytes / 4, 'the memory has not been given back');
    } finally {
      unmount(mount);
    }
  });
});
