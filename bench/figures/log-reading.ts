// Reading and validating the whole log of a pool, the default one and one of half a million entries, in a process of its
// own and with nothing else to do, and asking whether a log has moved that has not.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { encodeLogEntry, type LogEntry } from '../../src/famfs/log-entry.ts';
import { encodeLogHeader, logCapacity, logEntryOffset } from '../../src/famfs/log-header.ts';
import { emptyLogHeader, newSuperblock } from '../../src/famfs/log-writer.ts';
import { encodeSuperblock } from '../../src/famfs/superblock.ts';
import type { Bench, Figure } from '../figure.ts';
import { fromRounds, type Measurement } from '../measurement.ts';
import type { LogReading } from '../read-log-main.ts';
import { runMeasuring } from '../run-measuring.ts';

const mib = 2n ** 20n;
const unit = 2n * mib;
const filesADirectory = 99;
const program = path.join(import.meta.dirname, '../read-log-main.ts');
/** Entries that are read before it counts: code that has just been loaded is slow, and a mounter runs for weeks. */
const warmUpEntries = 1_000_000;

export const logReading: Figure = {
  name: 'log-reading',
  summary: 'reading and validating the log of a pool, full, and asking whether it has moved',
  needs: [],
  async measure(bench) {
    const measurements: Measurement[] = [];
    for (const logMib of bench.effort.isQuick ? [8n] : [8n, 256n]) {
      measurements.push(...(await measureLog(bench, logMib)));
    }
    return measurements;
  },
};

async function measureLog({ places, effort, progress }: Bench, logMib: bigint): Promise<Measurement[]> {
  const pool = path.join(places.folder, `log-of-${logMib}-mib`);
  progress(`log reading: ${effort.rounds} rounds of ${logMib} MiB`);
  try {
    const entries = writeFullLog(pool, logMib * mib);
    const warmUps = Math.ceil((effort.isQuick ? warmUpEntries / 20 : warmUpEntries) / entries);
    const rounds = `${effort.rounds + warmUps}`;
    const options = ['--disable-warning=ExperimentalWarning', program, '--pool', pool, '--rounds', rounds];
    const isWhole = (value: unknown): value is readonly LogReading[] => isReadings(value, warmUps);
    const all = await runMeasuring(process.execPath, options, isWhole);
    return describe(logMib, all[0], all.slice(warmUps));
  } finally {
    rmSync(pool, { recursive: true });
  }
}

function describe(
  logMib: bigint,
  first: LogReading | undefined,
  rounds: readonly LogReading[],
): Measurement[] {
  const name = (what: string) => `log-${logMib}-mib-${what}`;
  const title = (what: string) =>
    `Log of ${logMib} MiB, ${rounds[0]?.entries.toLocaleString('en')} entries: ${what}`;
  const values = (pick: (reading: LogReading) => number) => rounds.map(pick);
  return [
    fromRounds(
      {
        name: name('entries-a-second'),
        title: title('read and validated in a second'),
        unit: '1/s',
        goal: { kind: 'at-least', value: 1_000_000 },
      },
      values(({ entries, wallMs }) => (entries / wallMs) * 1000),
    ),
    fromRounds(
      {
        name: name('entries-a-busy-second'),
        title: title('read and validated in a second of its thread'),
        unit: '1/s',
      },
      values(({ entries, busyMs }) => (entries / busyMs) * 1000),
    ),
    fromRounds(
      {
        name: name('longest-block'),
        title: title('longest time without a turn for others'),
        unit: 'ms',
        goal: { kind: 'at-most', value: 20 },
      },
      values(({ longestGapMs }) => longestGapMs),
    ),
    fromRounds(
      {
        name: name('longest-busy-block'),
        title: title('longest time that its thread worked without one'),
        unit: 'ms',
      },
      values(({ longestBusyGapMs }) => longestBusyGapMs),
    ),
    ...(first === undefined
      ? []
      : [{ name: name('first'), title: title('the first of a process'), unit: 'ms', value: first.wallMs }]),
    fromRounds(
      {
        name: name('unchanged'),
        title: title('to see that it has not moved'),
        unit: 'ms',
        goal: { kind: 'at-most', value: 0.1 },
      },
      values(({ unchangedMs }) => unchangedMs),
    ),
  ];
}

/** A pool as files, its log full of directories of 99 files of one allocation unit each; how many entries it has. */
function writeFullLog(folder: string, logLengthBytes: bigint): number {
  const count = Number(logCapacity(logLengthBytes));
  const log = Buffer.alloc(logEntryOffset(count));
  const counts = { nextSequence: BigInt(count), nextIndex: BigInt(count) };
  encodeLogHeader({ ...emptyLogHeader(logLengthBytes), ...counts }).copy(log);
  const dataStart = unit + logLengthBytes;
  for (let index = 0; index < count; index += 1) {
    encodeLogEntry(entryAt(index, dataStart), index).copy(log, logEntryOffset(index));
  }
  mkdirSync(folder);
  writeFileSync(path.join(folder, 'log'), log);
  const superblock = newSuperblock({
    fileSystemUuid: '5abd31f0-4bce-4daf-a068-54da58959a2a',
    deviceUuid: 'd0276b6b-0683-47ec-996c-954d0158d84d',
    systemUuid: 'f92348fd-cb72-4f85-bdc6-1b0bc4bbad6c',
    deviceSizeBytes: dataStart + BigInt(count) * unit,
    devicePath: '/dev/dax0.0',
    logLengthBytes,
  });
  writeFileSync(path.join(folder, 'superblock'), encodeSuperblock(superblock));
  return count;
}

function entryAt(index: number, dataStart: bigint): LogEntry {
  const directory = `set-${String(index - (index % (filesADirectory + 1))).padStart(6, '0')}`;
  const owner = { uid: 1000, gid: 1000 };
  if (index % (filesADirectory + 1) === 0)
    return { kind: 'directory', path: directory, mode: 0o755, ...owner };
  const extents = [{ offsetBytes: dataStart + BigInt(index) * unit, lengthBytes: unit }];
  const name = `${directory}/part-${String(index).padStart(6, '0')}.safetensors`;
  return { kind: 'file', path: name, mode: 0o644, ...owner, sizeBytes: unit - 4096n, extents };
}

function isReadings(value: unknown, warmUps: number): value is readonly LogReading[] {
  const names = ['entries', 'wallMs', 'busyMs', 'longestGapMs', 'longestBusyGapMs', 'unchangedMs'];
  return (
    Array.isArray(value) &&
    value.length > warmUps &&
    value.every((reading) => names.every((name) => Number.isFinite(reading?.[name])))
  );
}
