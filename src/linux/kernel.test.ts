import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { missingCapabilities } from './capabilities.ts';
import { kernelProblems, kernelRelease } from './kernel.ts';
import { systemCallNumbers } from './libc.ts';

test('the kernel that runs these tests has all that is needed', () => {
  assert.deepEqual(kernelProblems(), []);
  assert.equal(kernelRelease(), os.release());
});

/**
 * What `kernelProblems` says in a process whose seccomp filter answers the given calls with an error, which is what
 * an old kernel (ENOSYS) or a strict container (EPERM) looks like from within.
 */
function problemsWithout(calls: readonly number[], errno: number): string[] {
  const script = `
    import koffi from ${JSON.stringify(import.meta.resolve('koffi'))};
    import { kernelProblems } from ${JSON.stringify(path.join(import.meta.dirname, 'kernel.ts'))};
    const prctl = koffi.load(null).func('prctl', 'int', ['int', 'ulong', 'uint64', 'ulong', 'ulong']);
    const [errno, ...calls] = process.argv.slice(1).map(Number);
    // load the call's number; equal to one of ours: to the end, which answers with the errno (seccomp(2), filter.h)
    const tests = calls.map((call, index) => [0x15, calls.length - index, 0, call]);
    const program = [[0x20, 0, 0, 0], ...tests, [0x06, 0, 0, 0x7fff0000], [0x06, 0, 0, 0x50000 | errno]];
    const filter = Buffer.alloc(8 * program.length);
    program.forEach(([code, whenTrue, whenFalse, value], index) => {
      filter.writeUInt16LE(code, index * 8);
      filter.writeUInt8(whenTrue, index * 8 + 2);
      filter.writeUInt8(whenFalse, index * 8 + 3);
      filter.writeUInt32LE(value, index * 8 + 4);
    });
    const header = Buffer.alloc(16);
    header.writeUInt16LE(program.length, 0);
    header.writeBigUInt64LE(koffi.address(filter), 8);
    if (prctl(38, 1, 0n, 0, 0) !== 0 || prctl(22, 2, koffi.address(header), 0, 0) !== 0) throw new Error('no seccomp');
    console.log(JSON.stringify(kernelProblems()));
  `;
  const options = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script];
  const args = [errno, ...calls].map(String);
  const { stdout, stderr } = spawnSync(process.execPath, [...options, ...args], { encoding: 'utf8' });
  assert.notEqual(stdout, '', stderr);
  return JSON.parse(stdout);
}

const names = Object.keys(systemCallNumbers);
const numbers = Object.values(systemCallNumbers);
const statx = process.arch === 'arm64' ? 291 : 332;

test('every call that the kernel lacks is named, with the release that has it', () => {
  const problems = problemsWithout(numbers, os.constants.errno.ENOSYS).sort();
  const expected = names.toSorted().map((name) => new RegExp(`lacks ${name}\\(2\\).*Linux 6\\.8 or newer`));
  assert.equal(problems.length, expected.length);
  for (const [index, pattern] of expected.entries()) assert.match(problems[index] ?? '', pattern);
});

test('every call that a container forbids is named as forbidden, not as lacking', () => {
  const problems = problemsWithout([...numbers, statx], os.constants.errno.EPERM);
  // Without the right to mount, move_mount is refused anyway, which says nothing about a filter.
  const telling =
    missingCapabilities(['CAP_SYS_ADMIN']).length === 0
      ? names
      : names.filter((name) => name !== 'move_mount');
  for (const name of telling) {
    const about = problems.filter((problem) => problem.includes(`${name}(2)`));
    assert.equal(about.length, 1, name);
    assert.match(about[0] ?? '', /is forbidden here.*seccomp/);
  }
  assert.match(problems.at(-1) ?? '', /refuses statx\(2\)/);
});

test('one that is missing is not blamed on the others', () => {
  assert.equal(problemsWithout([systemCallNumbers.openat2], os.constants.errno.ENOSYS).length, 1);
});
