// Each row of the catalogue against something famfs really said, or, where no recording has it, against the exact
// words of the famfs reference.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { keyOf, readTranscripts } from '../../test/famfs-transcripts.ts';
import { isReason } from '../errors.ts';
import type { CommandName } from './command-line.ts';
import {
  decidingRow,
  fillIn,
  matchingRows,
  messageCatalogue,
  shownText,
  type Utterance,
} from './message-catalogue.ts';

/** A whole recording by its key; one line of a recording; or words from elsewhere, with where they are from. */
type Example =
  | string
  | { readonly key: string; readonly line: string; readonly as?: CommandName }
  | { readonly source: string; readonly command: CommandName; readonly exit: number; readonly text: string };

const util = 'nsenter of util-linux 2.38';
const loader = 'the dynamic loader of glibc';
const devices = 'kernel notes 1';

const examples: Readonly<Record<string, readonly Example[]>> = {
  'program-missing': [
    {
      source: util,
      command: 'mount',
      exit: 127,
      text: 'nsenter: failed to execute famfs: No such file or directory',
    },
  ],
  'program-not-executable': [
    {
      source: util,
      command: 'mount',
      exit: 126,
      text: 'nsenter: failed to execute /opt/famfs: Permission denied',
    },
  ],
  'host-process-missing': [
    {
      source: util,
      command: 'fsck',
      exit: 1,
      text: 'nsenter: cannot open /proc/999999/ns/mnt: No such file or directory',
    },
  ],
  'host-namespace-refused': [
    {
      source: util,
      command: 'fsck',
      exit: 1,
      text: 'nsenter: cannot open /proc/1/ns/mnt: Permission denied',
    },
    {
      source: util,
      command: 'fsck',
      exit: 1,
      text: "nsenter: reassociate to namespace 'ns/mnt' failed: Operation not permitted",
    },
  ],
  'library-missing': [
    {
      source: loader,
      command: 'creat',
      exit: 127,
      text: 'famfs: error while loading shared libraries: libdaxctl.so.1: cannot open shared object file: No such file or directory',
    },
  ],
  'library-too-old': [
    {
      source: loader,
      command: 'creat',
      exit: 1,
      text: "famfs: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found (required by famfs)",
    },
  ],
  'unknown-option': [
    'v1:mkfs-unknown-option',
    'fuse:mount-unknown-option',
    'v1:creat-unknown-option',
    'fuse:fsck-unknown-option',
    'v1:logplay-unknown-option',
    { source: 'reference 1.0', command: 'mkfs', exit: 0, text: "mkfs.famfs: invalid option -- 'v'" },
  ],
  'unknown-subcommand': ['v1:unknown-subcommand', 'fuse:umount-subcommand'],
  'missing-subcommand': ['v1:no-subcommand'],
  'missing-operands': ['v1:mount-no-arguments'],
  'missing-device': ['v1:mkfs-no-device-argument'],
  'missing-file-name': ['v1:creat-no-arguments'],
  usage: [
    { key: 'v1:mount-unknown-option', line: '    -h|-?              - Print this message' },
    { key: 'v1:fsck-unknown-option', line: '    -?            - Print this message' },
  ],
  'not-root': ['v1:mkfs-not-root', 'fuse:mount-not-root'],
  'wrong-driver': ['v1:mkfs-wrong-driver', 'fuse:mount-wrong-driver', 'v1:fsck-wrong-driver'],
  'no-driver': ['v1:mount-no-driver', 'fuse:mkfs-no-driver'],
  'unknown-driver': [
    {
      source: devices,
      command: 'mount',
      exit: 19,
      text: "unrecognized driver 'kmem'\nfamfs mount: dax device /dev/dax0.0 not found",
    },
  ],
  'driver-module-missing': [
    { source: devices, command: 'mount', exit: 1, text: "could not find module by name='fsdev_dax'" },
  ],
  'device-not-in-sysfs': ['v1:mount-not-a-dax-device'],
  'device-missing': ['fuse:mount-missing-device'],
  'device-stat-failed': ['v1:mkfs-missing-device'],
  'fsck-target-dead': [
    {
      source: 'the line of v1:fsck-missing with the error of a dead mount',
      command: 'fsck',
      exit: 107,
      text: 'famfs_fsck: failed to stat path /mnt/famfs (Transport endpoint is not connected)',
    },
  ],
  'fsck-target-missing': ['v1:fsck-missing'],
  'not-a-dax-device': ['fuse:mkfs-regular-file'],
  'device-too-small': [
    { source: 'reference 1.1', command: 'mkfs', exit: 2, text: 'unsupported memory device size (<4GiB)' },
  ],
  'foreign-superblock': ['v1:mkfs-other-hosts', 'fuse:mkfs-other-hosts'],
  'superblock-present': ['v1:mkfs-already-formatted', 'fuse:mkfs-other-version'],
  'log-length-refused': ['v1:mkfs-loglen-too-small', 'fuse:mkfs-loglen-not-power-of-two'],
  'held-by-this-host': ['fuse:mount-already-mounted', 'v1:mkfs-mounted', 'fuse:mkfs-force-mounted'],
  'fsck-while-mounted': ['v1:fsck-device-mounted'],
  'held-elsewhere': ['v1:mount-already-mounted', 'v1:fsck-held-in-other-namespace', 'v1:mount-after-lazy'],
  'held-elsewhere-by-status': [{ source: 'reference 1.0', command: 'dummy-mount', exit: 16, text: '' }],
  'mount-not-permitted': [
    { source: 'kernel notes 2', command: 'mount', exit: 1, text: 'mount: permission denied' },
    {
      source: 'reference 1.2, errno 1',
      command: 'mount',
      exit: 1,
      text: 'famfs mount: mount returned -1; errno 1',
    },
  ],
  'mount-type-unknown': [
    {
      source: 'reference 1.2, errno 19',
      command: 'mount',
      exit: 1,
      text: 'famfs mount: mount returned -1; errno 19',
    },
  ],
  'mount-refused': [
    {
      source: 'reference 1.2, errno 22',
      command: 'mount',
      exit: 1,
      text: 'famfs mount: mount returned -1; errno 22',
    },
  ],
  'module-load-failed': ['v1:mount-load-module-fails'],
  'module-not-loaded': ['v1:mount-nofuse-no-module', 'v1:mkfs-nofuse-no-module', 'v1:fsck-nofuse-no-module'],
  'kernel-not-enabled': ['v1:mount-autodetect-no-module'],
  'mount-point-missing': ['v1:mount-missing-mount-point'],
  'shadow-refused': [
    {
      source: 'reference 1.2',
      command: 'mount',
      exit: 1,
      text: 'famfs_mount_fuse: failed to create shadow root path /run/famfs/shadow/1',
    },
  ],
  'superblock-not-readable': [
    'fuse:mount-held-in-other-namespace',
    'fuse:mkfs-held-in-other-namespace',
    'fuse:mount-fuse-without-famfs-support',
    'fuse:fsck-fuse-without-famfs-support',
  ],
  'daemon-not-answering': ['v1:mount-wrong-mode-for-kernel', 'v1:mkfs-autodetect-no-module'],
  'superblock-crc': [
    'v1:mount-corrupt-superblock',
    'fuse:creat-corrupt-superblock',
    'v1:logplay-corrupt-superblock',
  ],
  'superblock-version': ['fuse:mount-other-version', 'v1:fsck-other-version'],
  'superblock-missing': ['v1:mount-no-superblock', 'fuse:fsck-after-kill'],
  'log-entry-crc': ['v1:mount-corrupt-entry', 'fuse:logplay-corrupt-entry', 'v1:creat-corrupt-entry'],
  'log-entry-invalid': [
    {
      key: 'fuse:mount-corrupt-entry',
      line: '__famfs_logplay: Error: invalid log entry at index 1 of 4',
    },
  ],
  'log-header-invalid': ['v1:mount-corrupt-header', 'fuse:logplay-corrupt-header'],
  'log-length-mismatch': ['v1:fsck-corrupt-header', 'fuse:creat-corrupt-header'],
  collisions: [
    { source: 'reference 1.3', command: 'fsck', exit: 3, text: '  ERROR: 3 ALLOCATION COLLISIONS FOUND' },
  ],
  'bad-entries': [{ key: 'v1:fsck-corrupt-entry', line: '  1 bad log entries detected' }],
  'mount-dead-by-status': [{ source: 'kernel notes 12.9', command: 'fsck', exit: 107, text: '' }],
  'assertion-of-path-length': ['fuse:creat-path-79', 'fuse:creat-path-80'],
  'assertion-of-reader': [
    {
      key: 'fuse:creat-path-79',
      line: "famfs: src/famfs_lib.c:3991: __famfs_mkfile: Assertion `strlen(relpath) < (sizeof(fmeta.fm_relpath) - 1)' failed.",
      as: 'logplay',
    },
  ],
  assertion: [
    {
      source: 'the form of fuse:creat-path-79',
      command: 'cp',
      exit: 134,
      text: "famfs: src/famfs_lib.c:1: __famfs_copy_file_data: Assertion `bytes > 0' failed.",
    },
  ],
  'not-master': ['v1:mkdir-client', 'fuse:creat-client', 'v1:cp-client'],
  'lock-held': ['fuse:creat-lock-held'],
  'lock-lost': [{ source: 'kernel notes 7', command: 'creat', exit: 0, text: 'unlock returned an error' }],
  'log-not-writable': [
    { key: 'fuse:creat-lock-held', line: '__famfs_init_locked_log: Unable to open famfs log for writing' },
  ],
  'not-in-a-mounted-pool': ['v1:creat-outside', 'fuse:logplay-not-mounted', 'v1:fsck-only-bind-left'],
  'control-socket-unreachable': [
    {
      source: 'reference 5.2',
      command: 'logplay',
      exit: 1,
      text: 'found file /mnt/famfs/.meta/.superblock but it is not in famfs',
    },
  ],
  'out-of-space': ['v1:creat-out-of-space', 'fuse:cp-no-space', 'v1:creat-full'],
  'out-of-strips': ['v1:creat-interleaved-full'],
  'log-full': ['v1:creat-log-full', 'fuse:mkdir-log-full', 'v1:cp-log-full', 'fuse:mkdir-p-log-full'],
  'size-differs': ['v1:creat-exists-other-size'],
  'type-differs': ['v1:creat-exists-directory'],
  'copy-exists': ['fuse:cp-exists-other-size'],
  'size-zero': ['v1:creat-size-0', 'fuse:creat-size-abc'],
  'parent-missing': [
    'v1:mkdir-missing-parent',
    'fuse:creat-missing-parent',
    'v1:cp-missing-dest-parent',
    { source: 'reference 1.4', command: 'creat', exit: 1, text: 'parent dir does not exist' },
  ],
  'parent-not-made': [
    { key: 'v1:mkdir-p-log-full', line: 'famfs_make_parent_dir: bad path component above (/mnt/famfs/p/q)' },
  ],
  'source-missing': ['v1:cp-missing-source'],
  'source-is-directory': ['v1:cp-directory-without-r'],
  'flush-path-missing': ['fuse:flush-missing', 'v1:flush-two-one-missing'],
  'flush-failed': ['v1:flush-directory'],
  'verify-mismatch': ['v1:verify-mismatch'],
  'verify-path-missing': ['fuse:verify-missing'],
  'verify-mount-dead': [
    {
      source: 'the line of v1:verify-missing with the error of a dead mount',
      command: 'verify',
      exit: 1,
      text: 'open /mnt/famfs/data failed; fd -1 errno 107',
    },
  ],
  'mkdir-silent': ['v1:mkdir-existing', 'fuse:mkdir-existing'],
  'cp-silent': ['v1:cp-empty-source'],
  'log-full-by-status': [{ source: 'reference 1.6', command: 'mkdir', exit: 12, text: '' }],
  'module-loaded-remark': ['v1:mount-ok-empty', 'v1:mount-nofuse-no-module'],
  'module-hint': ['v1:mount-nofuse-no-module'],
  'modprobe-error': ['v1:mount-load-module-fails'],
  'mount-parameters': ['fuse:mount-ok-empty'],
  'umount-retry': ['fuse:mount-corrupt-entry'],
  unmounting: ['fuse:mount-no-superblock', 'v1:mount-no-superblock'],
  'umount-failed': ['fuse:mount-corrupt-entry', 'v1:mount-wrong-mode-for-kernel'],
  'dummy-mount-failed': ['v1:fsck-no-superblock', 'fuse:mkfs-mounted'],
  'mount-step-failed': ['fuse:mount-corrupt-entry', 'fuse:mount-held-in-other-namespace'],
  'mount-fail-remark': ['v1:mount-already-mounted'],
  'driver-hint': ['v1:mount-wrong-driver'],
  'superblock-remark-of-mkfs': ['v1:mkfs-new'],
  'superblock-version-remark-of-mkfs': ['v1:mkfs-other-version'],
  'incompatible-remark': ['fuse:mount-other-version'],
  'client-role-assumed': [
    { source: 'reference 3', command: 'logplay', exit: 0, text: 'assuming client role' },
  ],
  'mode-value-unknown': [
    { source: 'kernel notes 2', command: 'mount', exit: 0, text: 'unrecognized FAMFS_MODE value' },
  ],
  'fsck-mapping-remark': ['v1:fsck-not-famfs', 'fuse:fsck-corrupt-header'],
  banner: ['v1:creat-corrupt-header'],
  'creat-failed-remark': ['v1:creat-client'],
  'cp-aborted-remark': ['v1:cp-full'],
  'allocation-remark': ['v1:creat-full'],
};

const recordings = new Map(readTranscripts().map((transcript) => [keyOf(transcript), transcript]));

function commandOf(argv: readonly string[]): CommandName {
  const words = argv.slice(argv.findIndex((word) => word === 'famfs' || word === 'mkfs.famfs'));
  if (words[0] === 'mkfs.famfs') return 'mkfs';
  const names: readonly CommandName[] = ['mount', 'mkdir', 'creat', 'cp', 'fsck', 'flush', 'verify'];
  return names.find((name) => name === words[1]) ?? 'logplay';
}

function utteranceOf(example: Example): Utterance {
  if (typeof example !== 'string' && 'text' in example) {
    return { command: example.command, text: example.text, exitCode: example.exit };
  }
  const key = typeof example === 'string' ? example : example.key;
  const recording = recordings.get(key);
  assert.ok(recording !== undefined, `there is no recording ${key}`);
  const whole = `${recording.stderr}\n${recording.stdout}`;
  const command = commandOf(recording.argv);
  if (typeof example === 'string') return { command, text: whole, exitCode: recording.exit };
  assert.ok(whole.split('\n').includes(example.line), `${key} does not say: ${example.line}`);
  return { command: example.as ?? command, text: example.line, exitCode: recording.exit };
}

test('every row has an example, and every example a row', () => {
  assert.deepEqual(Object.keys(examples).sort(), messageCatalogue.map(({ id }) => id).sort());
});

for (const row of messageCatalogue) {
  test(`${row.id}: is what famfs says`, () => {
    for (const example of examples[row.id] ?? []) {
      const utterance = utteranceOf(example);
      const matched = matchingRows(utterance).map((match) => match.row.id);
      assert.ok(matched.includes(row.id), `${JSON.stringify(example)} matches only ${matched.join(', ')}`);
      if (row.reason !== 'information')
        assert.equal(decidingRow(utterance)?.row.id, row.id, JSON.stringify(example));
    }
  });
}

test('every row is worded for a person and names only what its pattern catches', () => {
  for (const { id, meaning, remedy, pattern, reason } of messageCatalogue) {
    assert.ok(reason === 'information' || isReason(reason), id);
    assert.match(meaning, /^[^A-Z\s].*[^.\s]$/s, `${id}: the meaning stands in the middle of a sentence`);
    assert.match(remedy, /^[A-Z{].*\.$/s, `${id}: the remedy is a sentence`);
    for (const [, name] of `${meaning} ${remedy}`.matchAll(/\{(\w+)\}/g)) {
      assert.ok(pattern.source.includes(`(?<${name}>`), `${id}: {${name}}`);
    }
    assert.ok(!pattern.global && !pattern.sticky, `${id}: a pattern must keep no state`);
  }
});

test('a path that famfs repeats cannot pass for another message', () => {
  const text = 'creat_one: Error: file /mnt/famfs/log full exists and is not the same size';
  assert.equal(decidingRow({ command: 'creat', text, exitCode: 1 })?.row.id, 'size-differs');
});

test('shown text is one line without control characters, whatever famfs printed', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
      const shown = shownText(text);
      assert.doesNotMatch(shown, /\p{Cc}/u);
      assert.ok(shown.length <= 201);
    }),
  );
  assert.equal(fillIn('a {x} b{absent}', { x: 'y\nz' }), 'a y z b');
});
