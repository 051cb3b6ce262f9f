import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { directory, file, MemoryPool, superblock } from '../../test/memory-pool.ts';
import { runInspect } from './inspect.ts';

const images = path.join(import.meta.dirname, '../../test/fixtures/famfs/images');
let place = '';

before(() => {
  place = mkdtempSync(path.join(tmpdir(), 'famfs-inspect-'));
});

after(() => {
  rmSync(place, { recursive: true });
});

async function inspect(...argv: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  const written = { stdout: '', stderr: '' };
  const stream = (name: 'stdout' | 'stderr') => ({
    write: (text: string) => {
      written[name] += text;
    },
  });
  const status = await runInspect(argv, { stdout: stream('stdout'), stderr: stream('stderr') });
  return { status, ...written };
}

/** A pool as a directory below the test's own. */
function poolAt(name: string, pool: MemoryPool): string {
  const where = path.join(place, name);
  rmSync(where, { recursive: true, force: true });
  writeFileSync(where, Buffer.concat([pool.superblockData, Buffer.alloc(0x200000 - 200), pool.log]));
  return where;
}

test('a pool is shown as JSON, entries in log order', async () => {
  const { status, stdout, stderr } = await inspect(path.join(images, 'interleaved.img.gz'), '--json');
  assert.deepEqual([status, stderr], [0, '']);
  const report = JSON.parse(stdout);
  assert.deepEqual(Object.keys(report), [
    'uuid',
    'logEntriesUsed',
    'logEntriesTotal',
    'freeBytes',
    'longestFreeRun',
    'entries',
  ]);
  assert.deepEqual(
    report.entries.map((entry: { path: string }) => entry.path),
    ['plain', 'n2-c2m', 'n4-c2m', 'n3-c4m', 'n4-c16m', 'below-one-chunk', 'exactly-one-chunk', 'plain-after'],
  );
  assert.deepEqual(report.entries[1], {
    path: 'n2-c2m',
    type: 'file',
    size: 67108864,
    mode: '0644',
    uid: 1000,
    gid: 1000,
    extents: [
      [1340080128, 33554432],
      [20971520, 33554432],
    ],
    interleaveChunk: 2097152,
  });
});

test('a pool is shown to a person, with the role of the node', async () => {
  const uuidFile = path.join(place, 'system_uuid');
  const where = path.join(images, 'tree.img.gz');
  const seen = async (text: string) => {
    writeFileSync(uuidFile, text);
    return (await inspect(where, '--system-uuid-path', uuidFile)).stdout;
  };
  assert.match(await seen(`${superblock.systemUuid}\0`), /this node +master/);
  assert.match(await seen(superblock.deviceUuid), /this node +client/);
  assert.match(await seen('nonsense'), /role unknown/);
  assert.match(
    (await inspect(where, '--system-uuid-path', path.join(place, 'gone'))).stdout,
    /this node +client/,
  );
});

test('a damaged entry is named, to a program and to a person', async () => {
  const pool = new MemoryPool([directory('d'), file('d/f')]);
  pool.entryBytes(1).writeUInt8(1, 200);
  const where = poolAt('damaged', pool);
  const asJson = await inspect('--json', where);
  assert.deepEqual([asJson.status, asJson.stderr], [1, '']);
  const { error } = JSON.parse(asJson.stdout);
  assert.deepEqual([error.entry, error.field], [1, 'crc']);
  assert.deepEqual(Object.keys(error), ['entry', 'field', 'reason']);
  const forPerson = await inspect(where);
  assert.deepEqual([forPerson.status, forPerson.stdout], [1, '']);
  assert.match(forPerson.stderr, /Log entry 1 is refused: its crc is 0x/);
});

test('a hostile entry is named', async () => {
  const pool = new MemoryPool([directory('d'), file('d/f')]);
  pool.append(file('d/g', 0));
  const { status, stdout } = await inspect('--json', poolAt('hostile', pool));
  assert.equal(status, 1);
  assert.deepEqual(JSON.parse(stdout), {
    error: {
      entry: 2,
      field: 'extent 0 offset',
      reason: 'is 10485760, which overlaps entry 1 at byte 10485760',
    },
  });
});

test('a bad superblock or header is an error of no entry', async () => {
  const noSuperblock = new MemoryPool();
  noSuperblock.superblockData.writeUInt8(0, 0);
  const noHeader = new MemoryPool();
  noHeader.log.writeUInt8(0, 0);
  for (const [pool, field] of [
    [noSuperblock, 'superblock magic'],
    [noHeader, 'header magic'],
  ] as const) {
    const { status, stdout } = await inspect('--json', poolAt('bad', pool));
    const { error } = JSON.parse(stdout);
    assert.deepEqual([status, error.entry, error.field], [1, null, field]);
  }
});

test('a path that is no pool fails with a sentence, or with the same JSON', async () => {
  for (const where of [path.join(place, 'gone'), place, '/dev/null', import.meta.filename]) {
    const asJson = await inspect(where, '--json');
    const { error } = JSON.parse(asJson.stdout);
    assert.deepEqual(
      [asJson.status, error.entry, typeof error.field, typeof error.reason],
      [1, null, 'string', 'string'],
    );
    const forPerson = await inspect(where);
    assert.deepEqual([forPerson.status, forPerson.stdout], [1, '']);
    assert.match(forPerson.stderr, /^famfs-csi inspect: .+\.\n$/);
  }
});

test('help is for reading, and a wrong call says what is wrong', async () => {
  const { status, stdout } = await inspect('--help');
  assert.equal(status, 0);
  assert.match(stdout, /Usage: famfs-csi inspect PATH/);
  assert.ok(stdout.split('\n').every((line) => line.length <= 100));
  for (const [argv, message] of [
    [[], /PATH of a pool is missing/],
    [['a', 'b'], /one PATH at a time/],
    [['--wrong', 'a'], /Unknown option '--wrong'/],
  ] as const) {
    const call = await inspect(...argv);
    assert.deepEqual([call.status, call.stdout], [2, '']);
    assert.match(call.stderr, message);
  }
});
