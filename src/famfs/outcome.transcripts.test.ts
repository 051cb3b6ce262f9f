// Every recorded call of the real famfs programs, judged: what the classifier says must agree with what was seen to
// have happened from outside.
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { keyOf, readTranscripts, type Transcript } from '../../test/famfs-transcripts.ts';
import type { Reason } from '../errors.ts';
import type { CommandName } from './command-line.ts';
import { type CommandContext, classify, type JudgedResult, type Outcome } from './outcome.ts';

const transcripts = readTranscripts();
const driverCommands: readonly CommandName[] = [
  'mount',
  'logplay',
  'mkdir',
  'creat',
  'cp',
  'fsck',
  'flush',
  'verify',
];

/** What the driver never runs: other programs, and two diagnostic commands that differ between the modes. */
const notTheDrivers = ['daxctl', 'umount', 'stat', 'bash', 'famfs getmap', 'famfs check'];

/** The famfs command line of a record; `setpriv` and `setarch` only stand in front of one. */
function wordsOf({ argv }: Transcript): readonly string[] {
  const wrapped = argv[0] === 'setpriv' || argv[0] === 'setarch';
  const start = wrapped ? argv.findIndex((word) => word === 'famfs' || word === 'mkfs.famfs') : 0;
  return argv[start] === 'famfs' || argv[start] === 'mkfs.famfs' ? argv.slice(start) : [];
}

/** The request a record stands for; a subcommand that famfs does not have is judged as if it had been logplay. */
function contextOf(transcript: Transcript): CommandContext | undefined {
  const [program, subcommand, ...rest] = wordsOf(transcript);
  if (program === undefined || subcommand === 'getmap' || subcommand === 'check') return undefined;
  const name =
    driverCommands.find((known) => known === subcommand) ?? (program === 'famfs' ? 'logplay' : 'mkfs');
  const ofDevice = rest.some((word) => word.startsWith('/dev/'));
  const makesMount = name === 'mkfs' || name === 'mount' || (name === 'fsck' && ofDevice);
  return { name, subject: transcript.argv.join(' '), makesMount };
}

function resultOf({ exit, stdout, stderr, seconds }: Transcript): JudgedResult {
  const durationMs = seconds * 1000;
  return {
    exitCode: exit,
    signal: null,
    stdout,
    stderr,
    timedOut: false,
    aborted: false,
    abandoned: false,
    durationMs,
  };
}

function judged(): { transcript: Transcript; context: CommandContext; outcome: Outcome<unknown> }[] {
  return transcripts.flatMap((transcript) => {
    const context = contextOf(transcript);
    if (context === undefined) return [];
    return [{ transcript, context, outcome: classify(context, resultOf(transcript)) }];
  });
}

/** Records whose kind cannot be told from exit status and effect by the rule below, and why. */
const kindsByHand: Readonly<Record<string, { kind: Outcome<unknown>['kind']; why: string }>> = {
  'mkfs-kill': {
    kind: 'unproven',
    why: 'the driver never erases a superblock, so nothing it prints is a proof',
  },
  'creat-seeded': { kind: 'ok', why: 'the one creat that says what it did' },
  'cp-exists-same-size': { kind: 'ok', why: 'contents are written in place, no entry is made' },
  'cp-recursive-again': { kind: 'ok', why: 'contents are written in place, no entry is made' },
  'fsck-human': { kind: 'unproven', why: 'rounded figures are not read' },
  'fsck-corrupt-entry': { kind: 'failed', why: 'status 0 though the log is damaged' },
  'fsck-device-corrupt-entry': { kind: 'failed', why: 'status 0 though the log is damaged' },
};

/** What really happened, from outside: a failure, a proven success, or something its words do not prove. */
function kindByEffect(name: CommandName, { id, exit, effect, stderr }: Transcript): Outcome<unknown>['kind'] {
  const byHand = kindsByHand[id];
  if (byHand !== undefined) return byHand.kind;
  if (exit !== 0) return 'failed';
  if (stderr.includes('unrecognized option')) return 'unproven';
  switch (name) {
    case 'mkfs':
      return effect.media?.fsUuid === undefined ? 'unproven' : 'ok';
    case 'mount':
      return effect.mountsAdded === undefined ? 'unproven' : 'ok';
    case 'cp':
      return effect.newEntries === undefined ? 'unproven' : 'ok';
    case 'creat':
    case 'mkdir':
      return 'unproven';
    default:
      return 'ok';
  }
}

/** Why each failed, or unproven for more than silence. The same in both modes unless a mode is named. */
const reasonsById: Readonly<Record<string, Reason>> = {
  'mount-no-superblock': 'superblock-refused',
  'fsck-no-superblock': 'superblock-refused',
  'fsck-after-kill': 'superblock-refused',
  'mkfs-loglen-too-small': 'invalid-argument',
  'mkfs-loglen-not-power-of-two': 'invalid-argument',
  'mkfs-missing-device': 'device-unsuitable',
  'mkfs-not-root': 'permission-missing',
  'mkfs-unknown-option': 'command-rejected',
  'mkfs-no-device-argument': 'command-rejected',
  'mkfs-regular-file': 'device-unsuitable',
  'mkfs-already-formatted': 'device-not-empty',
  'mkfs-other-hosts': 'device-not-empty',
  'mkfs-other-version': 'device-not-empty',
  'mkfs-wrong-driver': 'device-unsuitable',
  'mount-wrong-driver': 'device-unsuitable',
  'fsck-wrong-driver': 'device-unsuitable',
  'mount-no-driver': 'device-unsuitable',
  'mkfs-no-driver': 'device-unsuitable',
  'mount-already-mounted': 'pool-held-elsewhere',
  'mount-already-mounted-elsewhere': 'pool-held-elsewhere',
  'fsck-device-mounted': 'pool-held-elsewhere',
  'fsck-missing': 'device-unsuitable',
  'fsck-not-famfs': 'pool-not-ready',
  'mkfs-mounted': 'pool-held-elsewhere',
  'mkfs-force-mounted': 'pool-held-elsewhere',
  'mkfs-force-kill-mounted': 'pool-held-elsewhere',
  'mount-missing-mount-point': 'target-unusable',
  'mount-missing-device': 'device-unsuitable',
  'mount-not-root': 'permission-missing',
  'mount-unknown-option': 'command-rejected',
  'mount-no-arguments': 'command-rejected',
  'mount-not-a-dax-device': 'device-unsuitable',
  'v1:mount-wrong-mode-for-kernel': 'command-failed',
  'fuse:mount-wrong-mode-for-kernel': 'famfs-unsupported',
  'v1:mount-held-in-other-namespace': 'pool-held-elsewhere',
  'v1:fsck-held-in-other-namespace': 'pool-held-elsewhere',
  'v1:mkfs-held-in-other-namespace': 'pool-held-elsewhere',
  'fuse:mount-held-in-other-namespace': 'command-failed',
  'fuse:mkfs-held-in-other-namespace': 'command-failed',
  'mount-fuse-without-famfs-support': 'command-failed',
  'fsck-fuse-without-famfs-support': 'command-failed',
  'mount-corrupt-superblock': 'superblock-refused',
  'fsck-corrupt-superblock': 'superblock-refused',
  'mount-other-version': 'superblock-refused',
  'fsck-other-version': 'superblock-refused',
  'mkdir-existing': 'exists-differently',
  'mkdir-missing-parent': 'path-not-found',
  'mkdir-client': 'not-master',
  'mkdir-outside': 'pool-not-ready',
  'creat-exists-other-size': 'exists-differently',
  'creat-exists-directory': 'exists-differently',
  'creat-missing-parent': 'path-not-found',
  'creat-client': 'not-master',
  'creat-outside': 'pool-not-ready',
  'creat-out-of-space': 'out-of-space',
  'creat-size-abc': 'invalid-argument',
  'creat-size-0': 'invalid-argument',
  'creat-no-size': 'invalid-argument',
  'creat-no-arguments': 'command-rejected',
  'creat-unknown-option': 'command-rejected',
  'fuse:creat-path-79': 'path-too-long',
  'fuse:creat-path-80': 'path-too-long',
  'verify-mismatch': 'command-failed',
  'verify-missing': 'path-not-visible',
  'logplay-not-mounted': 'pool-not-ready',
  'logplay-missing-path': 'pool-not-ready',
  'cp-exists-other-size': 'exists-differently',
  'cp-client': 'not-master',
  'cp-missing-source': 'invalid-argument',
  'cp-missing-dest-parent': 'path-not-found',
  'cp-out-of-space': 'out-of-space',
  'cp-empty-source': 'invalid-argument',
  'cp-directory-without-r': 'invalid-argument',
  'cp-outside': 'pool-not-ready',
  'flush-two-one-missing': 'path-not-visible',
  'flush-missing': 'path-not-visible',
  'flush-directory': 'command-failed',
  'unknown-subcommand': 'command-rejected',
  'no-subcommand': 'command-rejected',
  help: 'command-rejected',
  'umount-subcommand': 'command-rejected',
  'fsck-unknown-option': 'command-rejected',
  'logplay-unknown-option': 'command-rejected',
  'fuse:creat-lock-held': 'pool-busy',
  'v1:mount-after-lazy': 'pool-held-elsewhere',
  'logplay-only-bind-left': 'pool-not-ready',
  'creat-only-bind-left': 'pool-not-ready',
  'fsck-only-bind-left': 'pool-not-ready',
  'v1:mount-only-bind-left': 'pool-held-elsewhere',
  'logplay-corrupt-entry': 'log-refused',
  'fsck-corrupt-entry': 'log-refused',
  'creat-corrupt-entry': 'log-refused',
  'fsck-device-corrupt-entry': 'log-refused',
  'mount-corrupt-entry': 'log-refused',
  'logplay-corrupt-header': 'log-refused',
  'fsck-corrupt-header': 'log-refused',
  'creat-corrupt-header': 'log-refused',
  'mount-corrupt-header': 'log-refused',
  'logplay-corrupt-superblock': 'superblock-refused',
  'fsck-path-corrupt-superblock': 'superblock-refused',
  'creat-corrupt-superblock': 'superblock-refused',
  'creat-no-space': 'out-of-space',
  'cp-no-space': 'out-of-space',
  'creat-full': 'out-of-space',
  'cp-full': 'out-of-space',
  'creat-interleaved-full': 'out-of-space',
  'creat-log-full': 'log-full',
  'mkdir-log-full': 'log-full',
  'cp-log-full': 'log-full',
  'mkdir-p-log-full': 'log-full',
  'mount-autodetect-no-module': 'famfs-unsupported',
  'mount-nofuse-no-module': 'famfs-unsupported',
  'mount-load-module-fails': 'famfs-unsupported',
  'mkfs-autodetect-no-module': 'command-failed',
  'mkfs-nofuse-no-module': 'famfs-unsupported',
  'fsck-nofuse-no-module': 'famfs-unsupported',
};

test('every record is one of the driver or of a program it never runs', () => {
  const others = transcripts.filter((transcript) => contextOf(transcript) === undefined);
  for (const { argv } of others) {
    const named = notTheDrivers.some((name) => argv.join(' ').startsWith(name));
    assert.ok(named, `${argv.join(' ')} is neither`);
  }
  assert.equal(transcripts.length, 397);
  assert.equal(transcripts.length - others.length, judged().length);
});

test('each record is judged as what really happened', () => {
  for (const { transcript, context, outcome } of judged()) {
    assert.equal(outcome.kind, kindByEffect(context.name, transcript), keyOf(transcript));
  }
});

test('nothing that made an entry is said to have failed, and nothing that made none is said to be proven', () => {
  const changing: readonly CommandName[] = ['creat', 'mkdir', 'cp'];
  for (const { transcript, context, outcome } of judged()) {
    if (!changing.includes(context.name)) continue;
    const made = (transcript.effect.newEntries?.length ?? 0) > 0;
    if (made) assert.notEqual(outcome.kind, 'failed', keyOf(transcript));
    else if (kindsByHand[transcript.id] === undefined) assert.notEqual(outcome.kind, 'ok', keyOf(transcript));
  }
});

test('each failure, and each doubt with words, has the reason it should have', () => {
  const met = new Set<string>();
  for (const { transcript, outcome } of judged()) {
    if (outcome.kind === 'ok') continue;
    const key = Object.hasOwn(reasonsById, keyOf(transcript)) ? keyOf(transcript) : transcript.id;
    const expected = reasonsById[key] ?? (outcome.kind === 'unproven' ? 'command-failed' : undefined);
    met.add(key);
    assert.equal(outcome.error.reason, expected, `${keyOf(transcript)}: ${outcome.error.message}`);
  }
  assert.deepEqual(
    Object.keys(reasonsById).filter((key) => !met.has(key)),
    [],
  );
});

test('no failure of a record falls back to "not in the catalogue"', () => {
  for (const { transcript, outcome } of judged()) {
    if (outcome.kind !== 'failed') continue;
    assert.notEqual(outcome.error.details.message, undefined, keyOf(transcript));
  }
});

test('a mount is said to remain exactly where one remained', () => {
  for (const { transcript, outcome } of judged()) {
    const remained = outcome.kind !== 'ok' && transcript.effect.mountsAdded !== undefined;
    assert.equal(outcome.leftovers.mountMayRemain, remained, keyOf(transcript));
  }
});

test('a directory that is named as left over was left, and a dummy mount that remained is named', () => {
  for (const { transcript, outcome } of judged()) {
    const { dummyMount, shadow } = outcome.leftovers;
    for (const directory of [dummyMount, shadow]) {
      if (directory === undefined) continue;
      assert.equal(path.dirname(directory), '/tmp');
      assert.ok(
        transcript.effect.tmpLeft?.includes(path.basename(directory)),
        `${keyOf(transcript)}: ${directory}`,
      );
    }
    for (const line of transcript.effect.mountsAdded ?? []) {
      if (line.includes('famfs_dummy')) assert.equal(dummyMount, line.split(' ')[4], keyOf(transcript));
    }
  }
});

test('what a replay says it made is what appeared', () => {
  let compared = 0;
  for (const { transcript, context } of judged()) {
    if (context.name !== 'logplay') continue;
    const outcome = classify({ ...context, name: 'logplay' }, resultOf(transcript));
    if (outcome.kind !== 'ok') continue;
    compared += 1;
    const appeared = transcript.effect.treeAdded?.length ?? 0;
    assert.equal(outcome.details.files + outcome.details.directories, appeared, keyOf(transcript));
  }
  assert.ok(compared >= 20);
});

test('the UUID that mkfs reports is the one that is on the medium', () => {
  let compared = 0;
  for (const { transcript, context } of judged()) {
    if (context.name !== 'mkfs') continue;
    const outcome = classify({ ...context, name: 'mkfs' }, resultOf(transcript));
    if (outcome.kind !== 'ok') continue;
    compared += 1;
    assert.equal(outcome.details.superblock.fileSystemUuid, transcript.effect.media?.fsUuid?.[1]);
    assert.equal(outcome.details.superblock.role, 'master');
  }
  assert.equal(compared, 6);
});

test('the words that have several causes list them in the order in which to check', () => {
  const ambiguous = judged().filter(({ outcome }) => outcome.kind !== 'ok' && outcome.causes.length > 0);
  assert.deepEqual(ambiguous.map(({ transcript }) => keyOf(transcript)).sort(), [
    'fuse:fsck-fuse-without-famfs-support',
    'fuse:mkfs-held-in-other-namespace',
    'fuse:mount-fuse-without-famfs-support',
    'fuse:mount-held-in-other-namespace',
    'v1:mkfs-autodetect-no-module',
    'v1:mount-wrong-mode-for-kernel',
  ]);
  const held = ambiguous.find(({ transcript }) => keyOf(transcript) === 'fuse:mount-held-in-other-namespace');
  assert.ok(held !== undefined && held.outcome.kind !== 'ok');
  assert.deepEqual(
    held.outcome.causes.map(({ id }) => id),
    ['held-elsewhere', 'capability-missing', 'kernel-without-famfs', 'abi-mismatch'],
  );
});
