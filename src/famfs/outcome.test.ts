// What the recordings do not show: forced ends, signals, texts nobody has seen. See outcome.transcripts.test.ts for the rest.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { keyOf, readTranscripts } from '../../test/famfs-transcripts.ts';
import { DriverError } from '../errors.ts';
import type { CommandName } from './command-line.ts';
import { type CommandContext, classify, errorOfCause, type JudgedResult, type Outcome } from './outcome.ts';

const names: readonly CommandName[] = [
  'mkfs',
  'mount',
  'dummy-mount',
  'logplay',
  'mkdir',
  'creat',
  'cp',
  'fsck',
  'flush',
  'verify',
];

function contextOf<Name extends CommandName>(name: Name, makesMount = false): CommandContext<Name> {
  return { name, subject: `famfs ${name} of something`, makesMount };
}

function ended(how: Partial<JudgedResult>): JudgedResult {
  const quiet = { exitCode: 0, signal: null, stdout: '', stderr: '', durationMs: 1234 };
  return { ...quiet, timedOut: false, aborted: false, abandoned: false, ...how };
}

function failure(outcome: Outcome<unknown>): DriverError {
  assert.ok(outcome.kind !== 'ok');
  return outcome.error;
}

function recorded(key: string): JudgedResult {
  const found = readTranscripts().find((transcript) => keyOf(transcript) === key);
  assert.ok(found !== undefined, key);
  return ended({ exitCode: found.exit, stdout: found.stdout, stderr: found.stderr });
}

test('a mount that was killed at its deadline hangs and may have left a mount', () => {
  const outcome = classify(
    contextOf('mount', true),
    ended({
      exitCode: null,
      signal: 'SIGKILL',
      timedOut: true,
      stdout: 'daxdev=/dev/dax0.0, mpt=/mnt/famfs',
    }),
  );
  assert.equal(outcome.kind, 'failed');
  assert.equal(failure(outcome).reason, 'pool-hung');
  assert.match(failure(outcome).message, /^famfs mount of something failed: it was killed after 1\.2 s/);
  assert.equal(outcome.leftovers.mountMayRemain, true);
});

test('a command that cannot be killed says so', () => {
  const outcome = classify(contextOf('fsck'), ended({ exitCode: null, timedOut: true, abandoned: true }));
  assert.equal(failure(outcome).reason, 'pool-hung');
  assert.match(failure(outcome).message, /cannot be killed/);
  assert.equal(outcome.leftovers.mountMayRemain, false);
});

test('of a stream without end, its beginning and its end are judged', () => {
  const counted = 'famfs_logplay(v1): 3 log entries; 2 new files; 1 new directories\n';
  const noise = 'nothing that anybody knows\n'.repeat(50_000);
  assert.equal(classify(contextOf('logplay'), ended({ stdout: noise + counted })).kind, 'ok');
  assert.equal(classify(contextOf('logplay'), ended({ stdout: counted + noise })).kind, 'ok');
  assert.equal(classify(contextOf('logplay'), ended({ stdout: noise + counted + noise })).kind, 'unproven');
});

test('a command that the caller withdrew proves nothing', () => {
  const outcome = classify(contextOf('cp'), ended({ exitCode: null, signal: 'SIGKILL', aborted: true }));
  assert.equal(outcome.kind, 'unproven');
  assert.equal(failure(outcome).reason, 'cancelled');
});

test('a success that was printed before the deadline killed the command is no success', () => {
  const { stdout } = recorded('v1:mount-ok-empty');
  const outcome = classify(
    contextOf('mount', true),
    ended({ exitCode: null, signal: 'SIGKILL', timedOut: true, stdout }),
  );
  assert.equal(outcome.kind, 'failed');
});

test('a signal is known by its name and by the status a shell makes of it', () => {
  for (const how of [{ exitCode: null, signal: 'SIGSEGV' }, { exitCode: 139 }]) {
    assert.equal(failure(classify(contextOf('fsck', true), ended(how))).reason, 'log-refused');
    assert.equal(classify(contextOf('fsck', true), ended(how)).leftovers.mountMayRemain, true);
    assert.equal(failure(classify(contextOf('creat'), ended(how))).reason, 'command-failed');
  }
  assert.equal(
    failure(classify(contextOf('logplay'), ended({ exitCode: 135 }))).reason,
    'pool-memory-failed',
  );
  assert.equal(
    failure(classify(contextOf('creat'), ended({ exitCode: null, signal: 'SIGKILL' }))).reason,
    'command-failed',
  );
  assert.equal(
    failure(classify(contextOf('flush'), ended({ exitCode: null, signal: 'SIGXCPU' }))).reason,
    'command-failed',
  );
});

test('an abort over a long name is known in both ways it can be reported', () => {
  const { stderr } = recorded('fuse:creat-path-79');
  for (const how of [{ exitCode: 134 }, { exitCode: null, signal: 'SIGABRT' }]) {
    assert.equal(failure(classify(contextOf('creat'), ended({ ...how, stderr }))).reason, 'path-too-long');
  }
});

test('silence with status 0 proves a flush and nothing else', () => {
  for (const name of names) {
    assert.equal(classify(contextOf(name), ended({})).kind, name === 'flush' ? 'ok' : 'unproven', name);
  }
});

test('an unknown failure is told by the first line that nothing explains', () => {
  const stderr = 'creat_one: failed to create file /mnt/famfs/x\nthe moon is in the way\n';
  const error = failure(classify(contextOf('creat'), ended({ exitCode: 1, stderr })));
  assert.equal(error.reason, 'command-failed');
  assert.match(error.message, /status 1 and said: the moon is in the way\./);
  assert.match(
    failure(classify(contextOf('creat'), ended({ exitCode: 5 }))).message,
    /status 5 and gave no reason/,
  );
});

test('a report with collisions fails and is handed over all the same', () => {
  const { stdout } = recorded('v1:fsck-path');
  const capacity = stdout.slice(stdout.indexOf('Capacity:'), stdout.indexOf('Famfs log:'));
  const colliding = stdout
    .replace('No allocation errors found', 'ERROR: 3 ALLOCATION COLLISIONS FOUND')
    .replace(capacity, '');
  const outcome = classify(contextOf('fsck'), ended({ exitCode: 3, stdout: colliding }));
  assert.ok(outcome.kind === 'failed');
  assert.equal(outcome.error.reason, 'log-refused');
  assert.equal(outcome.details?.collisions, 3);
});

test('a lock that was lost on the way leaves a creat in doubt', () => {
  const outcome = classify(contextOf('creat'), ended({ stderr: 'unlock returned an error\n' }));
  assert.equal(outcome.kind, 'unproven');
  assert.equal(failure(outcome).reason, 'pool-busy');
});

test('a dummy mount that came up is handed over to be unmounted', () => {
  const stdout = 'Successful dummy mount at /tmp/famfs_dummy_a1B2c3\n';
  const outcome = classify(contextOf('dummy-mount', true), ended({ stdout }));
  assert.ok(outcome.kind === 'ok');
  assert.equal(outcome.details.mountPoint, '/tmp/famfs_dummy_a1B2c3');
  assert.deepEqual(outcome.leftovers, { mountMayRemain: true, dummyMount: '/tmp/famfs_dummy_a1B2c3' });
});

test('only names that famfs itself makes are ever left over', () => {
  for (const name of [
    '/tmp/famfs_dummy_../../etc',
    '/tmp/famfs_dummy_abcdefg',
    '/tmp/../famfs_dummy_',
    'famfs_dummy_abcdef',
  ]) {
    const stderr = `famfs_fsck: dummy mount failed for /dev/dax0.0 at ${name}\n`;
    assert.equal(
      classify(contextOf('fsck', true), ended({ exitCode: 1, stderr })).leftovers.dummyMount,
      undefined,
      name,
    );
  }
});

test("somebody else's dummy mount that is in the way is not ours to clean", () => {
  const stderr = 'famfs_mount_fuse: cannot mount while /dev/dax0.0 is mounted on /tmp/famfs_dummy_a1B2c3\n';
  for (const name of ['mount', 'mkfs', 'dummy-mount', 'fsck'] as const) {
    const { leftovers } = classify(contextOf(name, true), ended({ exitCode: 1, stderr }));
    assert.deepEqual(leftovers, { mountMayRemain: false }, name);
  }
});

test('the cause that was found replaces the ambiguous words and keeps them as its own cause', () => {
  const outcome = classify(contextOf('mount', true), recorded('fuse:mount-held-in-other-namespace'));
  assert.ok(outcome.kind === 'failed');
  assert.equal(outcome.error.reason, 'command-failed');
  const [held] = outcome.causes;
  assert.ok(held !== undefined);
  const error = errorOfCause(outcome.error, held);
  assert.equal(error.reason, 'pool-held-elsewhere');
  assert.equal(error.cause, outcome.error);
  assert.match(error.message, /^famfs mount of something failed: another mount on this machine/);
  assert.doesNotMatch(error.message, /libfuse/);
});

test('a message is one line, ends in a full stop and says what to do', () => {
  for (const transcript of readTranscripts()) {
    for (const name of names) {
      const outcome = classify(contextOf(name), recordedResult(transcript));
      if (outcome.kind === 'ok') continue;
      assert.match(
        outcome.error.message,
        /^famfs \S+ of something failed: .+[.:] [A-Z].*\.$/,
        keyOf(transcript),
      );
    }
  }
});

function recordedResult({
  exit,
  stdout,
  stderr,
}: {
  exit: number;
  stdout: string;
  stderr: string;
}): JudgedResult {
  return ended({ exitCode: exit, stdout, stderr });
}

const words = fc.constantFrom(
  ...readTranscripts().flatMap(({ stdout, stderr }) => `${stderr}\n${stdout}`.split('\n')),
);
const output = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(fc.oneof(words, fc.string()), { maxLength: 12 }).map((lines) => lines.join('\n')),
);
const result: fc.Arbitrary<JudgedResult> = fc.record({
  exitCode: fc.option(fc.integer({ min: 0, max: 255 })),
  signal: fc.option(fc.constantFrom('SIGKILL', 'SIGABRT', 'SIGSEGV', 'SIGTERM', 'SIGSYS')),
  stdout: output,
  stderr: output,
  timedOut: fc.boolean(),
  aborted: fc.boolean(),
  abandoned: fc.boolean(),
  durationMs: fc.nat(),
});

test('nothing that famfs could say is an error of ours, and nothing unclean is ever ok', () => {
  fc.assert(
    fc.property(fc.constantFrom(...names), fc.boolean(), result, (name, makesMount, how) => {
      const outcome = classify(contextOf(name, makesMount), how);
      if (outcome.kind !== 'ok') {
        assert.ok(outcome.error instanceof DriverError);
        assert.doesNotMatch(outcome.error.message, /\p{Cc}/u);
        return;
      }
      assert.equal(how.exitCode, 0);
      assert.ok(!how.timedOut && !how.aborted && !how.abandoned && how.signal === null);
    }),
    { numRuns: 500 },
  );
});
