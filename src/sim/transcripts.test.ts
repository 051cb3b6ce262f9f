// Replays every recorded call of the real famfs programs on a simulated pair of nodes, in order, and compares what
// the simulator answers, word by word, and what it changes.
import assert from 'node:assert/strict';
import { lstatSync } from 'node:fs';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { readTranscripts, type Transcript } from '../../test/famfs-transcripts.ts';
import { assertNothingLeaked, enterPrivateMounts } from '../../test/private-mounts.ts';
import { parseLogEntry } from '../famfs/log-entry.ts';
import { readLog, readSuperblockBytes } from './device.ts';
import { type NodeName, type PairOutcome, SimulatedPair } from './simulated-pair.ts';
import { endAll, type OpenEnds, statesBefore } from './transcript-states.ts';

/** Records that the simulator does not show, and why. */
const exceptions: Readonly<Record<string, string>> = {
  'daxctl-to-devdax': 'daxctl is not a famfs program; the node is switched by setDeviceDriver',
  'daxctl-to-famfs-already': 'daxctl is not a famfs program',
  statfs:
    'figures of the host that holds the shadow tree, and the type of a file system that is not simulated',
  'mount-fuse-without-famfs-support':
    'a FUSE that knows nothing of famfs is not simulated; it looks like a held device',
  'fsck-fuse-without-famfs-support': 'as above',
  'mount-load-module-fails': 'words of modprobe',
};

/** Records that are run as processes of their own, through the scripts of the node. */
const asProcess: ReadonlySet<string> = new Set([
  'mkfs-new',
  'mount-ok-empty',
  'mount-ok-client',
  'mkdir-ok',
  'creat-ok',
  'creat-path-79',
  'creat-size-0',
  'fsck-path',
  'cp-into-directory',
  'logplay-after-cp',
  'unknown-subcommand',
]);

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

for (const mode of ['fuse', 'v1'] as const) {
  describe(`the simulator answers as the real programs did, ${mode}`, { skip }, () => {
    const records = readTranscripts().filter((record) => record.mode === mode);
    const open: OpenEnds = { ends: [] };
    let pair: SimulatedPair | undefined;
    after(async () => {
      await endAll(open);
      await pair?.dispose();
    });
    for (const record of records) {
      test(`${record.id}: ${record.state}`, async (t) => {
        pair ??= new SimulatedPair(mode);
        await statesBefore[record.id]?.(pair, open);
        const reason = exceptions[record.id];
        if (reason !== undefined) return t.skip(reason);
        await compare(pair, record);
      });
    }
  });
}

async function compare(pair: SimulatedPair, record: Transcript): Promise<void> {
  const before = observe(pair, record.node);
  const outcome = await callAs(pair, record);
  assert.deepEqual(
    { exit: outcome.exit, stderr: normal(outcome.stderr), stdout: normal(outcome.stdout) },
    { exit: record.exit, stderr: normal(record.stderr), stdout: normal(record.stdout) },
  );
  compareEffect(pair, record, before);
}

async function callAs(pair: SimulatedPair, record: Transcript): Promise<PairOutcome> {
  const { node, argv } = record;
  if (argv[0] === 'setarch') return await pair.callOnOldKernel(node, argv.slice(3));
  const umask = 'umask' in record && typeof record.umask === 'number' ? record.umask : 0;
  return await pair.call(node, argv, { umask, asProcess: asProcess.has(record.id) });
}

/**
 * Leaves out what differs from run to run: UUIDs, random names, times, the order of randomly chosen strips, and the
 * order in which a directory gives its names to `famfs check`.
 */
function normal(text: string): string {
  const lines = text
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, (uuid) =>
      uuid.startsWith('11111111-') ? uuid : 'UUID',
    )
    .replaceAll(/famfs_(dummy|shadow)_\w{6}/g, 'famfs_$1_XXXXXX')
    .replaceAll(/[A-Z][a-z]{2} [ \d]\d \d\d:\d\d/g, 'TIME')
    .split('\n');
  const isUnordered = (line: string): boolean => /^(\t\t|famfs_recursive_check: )/.test(line);
  const unordered = lines.filter(isUnordered).sort();
  return lines.map((line) => (isUnordered(line) ? unordered.shift() : line)).join('\n');
}

interface Observation {
  readonly entryCount: number;
  readonly mountCount: number;
  readonly temporaryNames: readonly string[];
  readonly fileSystemUuid: string;
}

function observe(pair: SimulatedPair, node: NodeName): Observation {
  return {
    entryCount: Number(readLog(pair.device, 40, 8).readBigUInt64LE()),
    mountCount: pair.mountCount(node),
    temporaryNames: pair.temporaryNames(),
    fileSystemUuid: readSuperblockBytes(pair.device).toString('hex', 48, 64),
  };
}

function compareEffect(pair: SimulatedPair, record: Transcript, before: Observation): void {
  const { effect, node } = record;
  const now = observe(pair, node);
  if (record.argv[0] === 'mkfs.famfs') {
    assert.equal(
      now.fileSystemUuid !== before.fileSystemUuid,
      effect.media?.fsUuid !== undefined,
      'a new UUID',
    );
  } else {
    const added = readEntries(pair, before.entryCount, now.entryCount);
    assert.deepEqual(added, (effect.newEntries ?? []).map(withoutStrips), 'the entries that were logged');
  }
  const mounts = (effect.mountsAdded?.length ?? 0) - (effect.mountsRemoved?.length ?? 0);
  assert.equal(now.mountCount - before.mountCount, mounts, 'mounts that were added or taken away');
  const left = now.temporaryNames.filter((name) => !before.temporaryNames.includes(name));
  const kinds = (names: readonly string[]): string[] => names.map((name) => name.slice(0, -6)).sort();
  assert.deepEqual(kinds(left), kinds(effect.tmpLeft ?? []), 'directories left in /tmp');
  for (const entry of [
    ...(effect.treeAdded ?? []),
    ...('treeShown' in effect ? asList(effect.treeShown) : []),
  ]) {
    assert.deepEqual(shownEntry(pair, node, entry), withoutDigest(entry), 'what the mount shows');
  }
}

function asList(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function withoutDigest(entry: unknown): unknown {
  return { ...(entry as object), sha256Start: undefined };
}

function withoutStrips(entry: unknown): unknown {
  const copy = { ...(entry as { extents?: unknown[]; chunk?: number }) };
  if (copy.chunk !== undefined) copy.extents = [...(copy.extents ?? [])].sort();
  return copy;
}

function readEntries(pair: SimulatedPair, from: number, to: number): unknown[] {
  const found: unknown[] = [];
  for (let index = from; index < to; index += 1) {
    const entry = parseLogEntry(readLog(pair.device, 48 + 544 * index, 544), index);
    const { uid, gid } = entry;
    const common = { index, path: entry.path, uid, gid, mode: `0${entry.mode.toString(8)}` };
    if (entry.kind === 'directory') found.push({ ...common, type: 'dir' });
    else {
      const extents = entry.extents.map((extent) => [Number(extent.offsetBytes), Number(extent.lengthBytes)]);
      const chunk = entry.interleave === undefined ? {} : { chunk: Number(entry.interleave.chunkBytes) };
      found.push(
        withoutStrips({ ...common, type: 'file', size: Number(entry.sizeBytes), extents, ...chunk }),
      );
    }
  }
  return found;
}

function shownEntry(pair: SimulatedPair, node: NodeName, expected: unknown): unknown {
  const { path: name } = expected as { path: string };
  const status = lstatSync(path.join(pair.real(node, '/mnt/famfs'), name));
  return {
    path: name,
    type: status.isDirectory() ? 'dir' : 'file',
    size: status.isDirectory() ? 0 : status.size,
    mode: `0${(status.mode & 0o7777).toString(8).padStart(3, '0')}`,
    uid: status.uid,
    gid: status.gid,
    sha256Start: undefined,
  };
}
