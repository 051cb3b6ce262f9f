// Every system call of a bind and of an unbind fails once with every errno that may come (the calls are found by looking,
// not listed here): each time the answer is one of docs/failures.md, nothing is left behind, and the same call works next.
import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { encodeSuperblock } from '../../src/famfs/superblock.ts';
import { readMountTable } from '../../src/linux/mount-table.ts';
import { mountFileSystem, unmount } from '../../src/linux/mounts.ts';
import { BindRecords } from '../../src/mounter/bind-record.ts';
import { BindRegistry } from '../../src/mounter/bind-registry.ts';
import type { BindOrder } from '../../src/mounter/pool-verbs.ts';
import { type Places, type Work, writableFile } from '../bind-and-unbind.ts';
import { superblock } from '../memory-pool.ts';
import { assertNothingLeaked, enterPrivateMounts } from '../private-mounts.ts';
import { type Fault, type SeenCall, SupervisedThread, type ThreadAnswer } from '../supervised-thread.ts';
import { effort, seed } from './effort.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

/** Which part of the node a call is about: the columns of the table of errnos in docs/failures.md. */
const sides = ['pool', 'target', 'record'] as const;

/** The page's table: an errno, then a reason for each side. */
const stated = new Map(
  readFileSync(path.join(import.meta.dirname, '../../docs/failures.md'), 'utf8')
    .split('\n')
    .filter((line) => /^\| E[A-Z]+ \|/.test(line))
    .map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')))
    .map(([, code = '', ...reasons]) => [code, reasons.slice(0, sides.length)]),
);
const codes = [
  ...['EIO', 'ENOSPC', 'EBUSY', 'EPERM', 'ENOMEM', 'EINTR', 'EAGAIN', 'ENOTCONN', 'ESTALE', 'ETIMEDOUT'],
  'EMFILE',
];

describe('a bind or unbind of which one system call fails', { skip }, () => {
  let folder: string;
  let places: Places;
  let target: string;
  let thread: SupervisedThread;

  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'famfs-faults-'));
    mountFileSystem({ source: 'faults', target: folder, type: 'tmpfs' });
    const at = (name: string): string => path.join(folder, name);
    for (const name of ['pool', 'kubelet/pods/p/volumes']) mkdirSync(at(name), { recursive: true });
    mountFileSystem({ source: '/dev/dax0.0', target: at('pool'), type: 'tmpfs' });
    mkdirSync(at('pool/.meta'));
    writeFileSync(at('pool/.meta/.superblock'), encodeSuperblock(superblock));
    mkdirSync(at('pool/models/llama'), { recursive: true });
    writeFileSync(at(`pool/models/llama/${writableFile}`), 'bytes');
    places = {
      poolUuid: superblock.fileSystemUuid,
      mountPath: at('pool'),
      allowedRoots: [at('kubelet')],
      recordDirectory: at('records'),
    };
    target = at('kubelet/pods/p/volumes/mount');
    thread = await SupervisedThread.start(path.join(import.meta.dirname, '../bind-and-unbind.ts'));
    thread.run(unbind());
  });

  after(async () => {
    await thread?.end();
    for (const place of mountsBelow(folder).reverse()) unmount(place, { detach: true });
    rmdirSync(folder);
  });

  const order = (changes: Partial<BindOrder> = {}): BindOrder => ({
    path: 'models/llama',
    target,
    volumeId: 'volume-1',
    writable: false,
    allowExec: false,
    soleTarget: false,
    ...changes,
  });
  const bind = (changes: Partial<BindOrder> = {}): Work => ({
    ...places,
    verb: 'bind',
    order: order(changes),
  });
  const unbind = (): Work => ({ ...places, verb: 'unbind', target });

  /** Without supervision nothing fails: what the test needs has to be. */
  function succeed(work: Work): void {
    const { answer } = thread.run(work);
    assert.ok(answer.ok, answer.ok ? '' : answer.message);
  }

  const situations: readonly {
    readonly name: string;
    readonly prepare: () => void;
    readonly work: () => Work;
  }[] = [
    { name: 'a first bind', prepare: () => undefined, work: () => bind() },
    { name: 'a bind on an empty directory', prepare: () => mkdirSync(target), work: () => bind() },
    { name: 'a repeated bind', prepare: () => succeed(bind()), work: () => bind() },
    { name: 'a writable bind', prepare: () => undefined, work: () => bind({ writable: true }) },
    {
      name: 'a bind that finds an unfinished one',
      prepare: leaveUnfinished,
      work: () => bind({ writable: true }),
    },
    { name: 'an unbind', prepare: () => succeed(bind()), work: unbind },
    { name: 'an unbind of a writable bind', prepare: () => succeed(bind({ writable: true })), work: unbind },
    { name: 'an unbind of nothing', prepare: () => undefined, work: unbind },
    { name: 'an unbind of an empty directory', prepare: () => mkdirSync(target), work: unbind },
  ];

  function leaveUnfinished(): void {
    succeed(bind({ writable: true }));
    const records = new BindRecords(places.recordDirectory);
    for (const mountId of records.mountIds()) {
      const record = records.read(mountId);
      if (record !== undefined) records.write(mountId, { ...record, complete: false });
    }
  }

  for (const { name, prepare, work } of situations) {
    it(`gives ${name} its stated answer, leaves nothing behind, and does it when asked again`, (t) => {
      prepare();
      const { calls, answer } = thread.run(work());
      assert.ok(answer.ok);
      assert.ok(calls.length >= 5, JSON.stringify(calls));
      clear();
      const faults = chosenFaults(calls.length);
      for (const fault of faults) {
        prepare();
        tryFault(work(), fault);
        clear();
      }
      t.diagnostic(`${calls.length} system calls, ${faults.length} faults (seed ${seed})`);
    });
  }

  /** Every errno from every call; of works with many calls a part by the dice, unless there is time for all. */
  function chosenFaults(callCount: number): Fault[] {
    const all = Array.from({ length: callCount }, (_, index) =>
      codes.map((code) => ({ index, code })),
    ).flat();
    const share = Math.max(1, Math.ceil(all.length / effort(240)));
    return all.filter((_, number) => (number + seed) % share === 0);
  }

  function tryFault(work: Work, fault: Fault): void {
    const before = lookAround();
    const { answer, calls } = thread.run(work, fault);
    const seen = calls.slice(0, fault.index + 1);
    // Node looks at a file that it removes in more than one way, so that one run can have a call less than another.
    if (seen.length <= fault.index) return;
    const call = seen.at(-1) ?? assert.fail();
    const what = `${fault.code} from call ${fault.index}, ${call.name} ${call.object}`;
    if (answer.ok) assert.ok(isMended(fault.code, call), `${what} was not noticed`);
    else assertStated(answer, fault.code, seen, what);
    const behind = lookAround();
    assert.equal(behind.descriptors, before.descriptors, `${what}: descriptors`);
    if (!answer.ok && work.verb === 'bind') {
      assert.ok([0, before.mounts].includes(behind.mounts), `${what}: ${behind.mounts} mounts`);
      assert.ok(before.hasTarget || !behind.hasTarget, `${what}: a directory`);
    }
    const again = thread.run(work).answer;
    assert.ok(again.ok, `${what}, and then: ${again.ok ? '' : again.message}`);
  }

  function lookAround() {
    const descriptors = readdirSync('/proc/self/fd').length;
    return { descriptors, mounts: mountsBelow(target).length, hasTarget: existsSync(target) };
  }

  function assertStated(
    answer: Extract<ThreadAnswer, { ok: false }>,
    code: string,
    seen: readonly SeenCall[],
    what: string,
  ): void {
    const call = seen.at(-1) ?? assert.fail();
    const side = isOfRecord(call)
      ? 'record'
      : seen.some(({ object }) => object === places.allowedRoots[0])
        ? 'target'
        : 'pool';
    const usual = stated.get(code)?.[sides.indexOf(side)];
    // A note that cannot be read is as good as none: nobody can say then whose the mount is.
    const isUnread = side === 'record' && usual === 'state-unusable' && !call.object.endsWith('.new');
    assert.equal(
      answer.reason,
      isUnread ? 'already-published' : usual,
      `${what} (${side}): ${answer.message}`,
    );
    assert.ok(answer.message.length > 40, what);
  }

  function isOfRecord({ object }: SeenCall): boolean {
    return object.replace(/^of /, '').startsWith(places.recordDirectory);
  }

  /** What the driver, or Node, does again or does without. */
  function isMended(code: string, call: SeenCall): boolean {
    if (isOfRecord(call) && !call.object.endsWith('.new')) return true;
    if (code === 'EINTR')
      return /^(open|openat|mkdir(at)?|rmdir|unlink(at)?|rename(at2?)?|write)$/.test(call.name);
    return (code === 'EAGAIN' && call.name === 'openat2') || (code === 'EBUSY' && call.name === 'umount2');
  }

  /** Takes the target away, and checks that all is as it was before anything was bound. */
  function clear(): void {
    succeed(unbind());
    assert.equal(existsSync(target), false);
    assert.deepEqual(mountsBelow(target), []);
    new BindRegistry(new BindRecords(places.recordDirectory)).load();
    assert.deepEqual(readdirSync(places.recordDirectory), [], 'no record outlives its mount');
  }
});

function mountsBelow(place: string): string[] {
  return readMountTable()
    .map(({ mountPoint }) => mountPoint)
    .filter((mountPoint) => mountPoint === place || mountPoint.startsWith(`${place}/`));
}
