// The parsers of what comes from a pool or from a famfs command.

import { crc32 } from 'node:zlib';
import { proofs } from '../../src/famfs/command-details.ts';
import type { CommandName } from '../../src/famfs/command-line.ts';
import { parseFsckReport, parseReportedSuperblock } from '../../src/famfs/fsck-report.ts';
import { decodeLogEntry, type LogEntry, parseLogEntry } from '../../src/famfs/log-entry.ts';
import { logEntryOffset, parseLogHeader, requireTrustworthyLogHeader } from '../../src/famfs/log-header.ts';
import { classify } from '../../src/famfs/outcome.ts';
import { pathProblem } from '../../src/famfs/path-rules.ts';
import { PoolLog } from '../../src/famfs/pool-log.ts';
import { parseSuperblock, requireTrustworthySuperblock } from '../../src/famfs/superblock.ts';
import { readTranscripts } from '../famfs-transcripts.ts';
import { brokenPromise } from '../log-promise.ts';
import { directory, file, logLengthBytes, MemoryPool, superblock, unit } from '../memory-pool.ts';
import { bytesOf, isDriverError, never, type Parser } from './parser.ts';

const entries: readonly LogEntry[] = [
  directory('v'),
  directory('v/é'),
  file('v/plain', 0, 3),
  {
    ...file('v/striped', 10),
    sizeBytes: 5n * unit,
    extents: [12n, 20n].map((first) => ({ offsetBytes: first * unit, lengthBytes: 3n * unit })),
    interleave: { chunkBytes: unit, stripCount: 2 },
  },
];
const pool = new MemoryPool(entries);
const entrySamples = entries.map((_, index) => Buffer.from(pool.entryBytes(index)));
const commands = Object.keys(proofs) as CommandName[];
const transcripts = readTranscripts();
const utterances = [...new Set(transcripts.map(({ stderr, stdout }) => `${stderr}\0${stdout}`))];
const reports = transcripts.map(({ stdout }) => stdout).filter((text) => text.includes('Famfs Superblock'));

export const famfsParsers: readonly Parser[] = [
  {
    name: 'superblock',
    covers: ['parseSuperblock'],
    samples: [pool.superblockData],
    maximumBytes: 400,
    share: 4,
    run: (input) => requireTrustworthySuperblock(parseSuperblock(withCrc(input, 96))),
    isAnswer: isDriverError,
  },
  {
    name: 'log header',
    covers: ['parseLogHeader'],
    samples: [pool.log.subarray(0, 48)],
    maximumBytes: 100,
    share: 4,
    run: (input) => requireTrustworthyLogHeader(parseLogHeader(withCrc(input, 24)), logLengthBytes),
    isAnswer: isDriverError,
  },
  {
    name: 'log entry',
    covers: ['parseLogEntry', 'decodeLogEntry'],
    samples: entrySamples,
    maximumBytes: 1200,
    share: 4,
    run(input) {
      const index = input.length < 8 ? 0 : input.readUInt32LE(0);
      const entry = parseLogEntry(withCrc(input, 536), index);
      // The same without a look at the CRC, as for an entry that is known.
      return [pathProblem(entry.path), decodeLogEntry(input, index, 0).kind];
    },
    isAnswer: isDriverError,
  },
  {
    name: 'whole log',
    covers: [],
    samples: [Buffer.concat([pool.superblockData, pool.log.subarray(0, logEntryOffset(entries.length + 1))])],
    maximumBytes: 200 + logEntryOffset(12),
    share: 0.1,
    run: readWholeLog,
    isAnswer: isDriverError,
  },
  {
    name: 'outcome of a command',
    covers: ['classify'],
    samples: bytesOf(...utterances),
    // As much as is kept of either stream.
    maximumBytes: 512 << 10,
    share: 0.15,
    run: classifyAll,
    isAnswer: never,
  },
  {
    name: 'fsck report',
    covers: ['parseFsckReport', 'parseReportedSuperblock'],
    samples: bytesOf(...new Set(reports)),
    words: ['Log stats:\n', 'Famfs Superblock:\n', '99999999999999999999', '-1'],
    maximumBytes: 1 << 20,
    share: 0.3,
    run(input) {
      const text = input.toString();
      return [parseFsckReport(text), parseReportedSuperblock(text)].map((report) => report !== undefined);
    },
    isAnswer: never,
  },
];

/** A copy with the CRC of its first `covered` bytes put behind them: else hardly any mutation would get past it. */
function withCrc(input: Buffer, covered: number): Buffer {
  const bytes = Buffer.from(input);
  if (bytes.length >= covered + 8) {
    bytes.writeBigUInt64LE(BigInt(crc32(bytes.subarray(0, covered))), covered);
  }
  return bytes;
}

/** Superblock and log behind each other; CRCs are made right for all that is there but the last entry. */
async function readWholeLog(input: Buffer): Promise<unknown> {
  const source = new MemoryPool();
  source.superblockData = withCrc(input.subarray(0, 200), 96);
  source.log = withCrc(input.subarray(200), 24);
  for (let at = logEntryOffset(0); at + 544 < source.log.length; at += 544) {
    withCrc(source.log.subarray(at, at + 544), 536).copy(source.log, at);
  }
  const log = new PoolLog(source);
  await log.refresh();
  const broken = brokenPromise(log);
  if (broken !== undefined) throw new Error(`an accepted log breaks its promise: ${broken}`);
  return [log.entryCount, log.superblock.deviceSizeBytes === superblock.deviceSizeBytes];
}

function classifyAll(input: Buffer): unknown {
  const at = Math.max(0, input.indexOf(0));
  const status = input.length % 4;
  const result = {
    stderr: input.toString('utf8', 0, at),
    stdout: input.toString('utf8', at),
    exitCode: status === 3 ? null : status,
    signal: null,
    timedOut: false,
    aborted: false,
    abandoned: status === 3,
    durationMs: 1,
  } as const;
  const name = commands[input.length % commands.length] ?? 'mount';
  const outcome = classify({ name, subject: `famfs ${name}`, makesMount: name === 'mount' }, result);
  return [name, outcome.kind, outcome.kind === 'ok' ? '' : outcome.error.reason];
}
