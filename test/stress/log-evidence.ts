// What a pool's log says when it is read by nobody's rules but the format's: every entry, and every two files that lie in
// one place. The second look, by the driver's own validator and by `famfs fsck`, is for comparison.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { type LogEntry, logEntryBytes, parseLogEntry } from '../../src/famfs/log-entry.ts';
import { logEntryOffset, parseLogHeader } from '../../src/famfs/log-header.ts';
import { openLogSource } from '../../src/famfs/log-source.ts';
import { PoolLog } from '../../src/famfs/pool-log.ts';

export interface LogEvidence {
  /** Of all entries, in the order of the log. */
  readonly paths: readonly string[];
  /** Two files that share memory, as `one / other`. */
  readonly collisions: readonly string[];
  /** Why the driver would refuse the log; undefined when it would not. */
  readonly refusal: string | undefined;
}

/** @param memory the folder of a simulated memory. Nobody may write the log meanwhile. */
export async function readLogEvidence(memory: string): Promise<LogEvidence> {
  const log = readFileSync(path.join(memory, 'log'));
  const count = Number(parseLogHeader(log).nextIndex);
  const entries = Array.from({ length: count }, (_, index) => {
    const offset = logEntryOffset(index);
    return parseLogEntry(log.subarray(offset, offset + logEntryBytes), index);
  });
  return {
    paths: entries.map((entry) => entry.path),
    collisions: collisionsOf(entries),
    refusal: await refusalOfDriver(memory),
  };
}

function collisionsOf(entries: readonly LogEntry[]): string[] {
  const runs = entries
    .flatMap((entry) =>
      entry.kind === 'file' ? entry.extents.map((extent) => ({ ...extent, path: entry.path })) : [],
    )
    .sort((left, right) => (left.offsetBytes < right.offsetBytes ? -1 : 1));
  return runs.flatMap((run, index) => {
    const next = runs[index + 1];
    return next !== undefined && run.offsetBytes + run.lengthBytes > next.offsetBytes
      ? [`${run.path} / ${next.path}`]
      : [];
  });
}

async function refusalOfDriver(memory: string): Promise<string | undefined> {
  const log = new PoolLog(await openLogSource(memory));
  try {
    await log.refresh();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    log.close();
  }
}
