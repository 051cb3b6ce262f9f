// A process that reads logs as the driver does, from files, and prints what that took as JSON. Knows no goal.
import { parseArgs } from 'node:util';
import { openLogSource } from '../src/famfs/log-source.ts';
import { PoolLog } from '../src/famfs/pool-log.ts';

/** One reading of a whole log. Times in milliseconds. */
export interface LogReading {
  readonly entries: number;
  readonly wallMs: number;
  /** What the thread of the event loop was busy with it. */
  readonly busyMs: number;
  /** The longest time between two turns of the event loop, by the clock and by what the thread was busy. */
  readonly longestGapMs: number;
  readonly longestBusyGapMs: number;
  /** One refresh of a log that has not moved. */
  readonly unchangedMs: number;
}

const unchangedRefreshes = 1000;

const { values } = parseArgs({
  options: { pool: { type: 'string', default: '' }, rounds: { type: 'string', default: '1' } },
});
const readings: LogReading[] = [];
for (let round = 0; round < Number(values.rounds); round += 1) readings.push(await readLog(values.pool));
console.log(JSON.stringify(readings));

/** A new reader each time, as for a pool that was just mounted. */
async function readLog(pool: string): Promise<LogReading> {
  const log = new PoolLog(await openLogSource(pool));
  try {
    const turns = watchTurns();
    const startMs = performance.now();
    const startBusyMs = busyMs();
    await log.refresh();
    const wallMs = performance.now() - startMs;
    const busy = busyMs() - startBusyMs;
    const gaps = turns.stop();
    const unchangedStartMs = performance.now();
    for (let i = 0; i < unchangedRefreshes; i += 1) await log.refresh();
    const unchangedMs = (performance.now() - unchangedStartMs) / unchangedRefreshes;
    return { entries: log.entryCount, wallMs, busyMs: busy, ...gaps, unchangedMs };
  } finally {
    log.close();
  }
}

/** Looks at the clock in every turn of the event loop that a timer gets; a turn a millisecond costs next to nothing. */
function watchTurns(): { stop(): Pick<LogReading, 'longestGapMs' | 'longestBusyGapMs'> } {
  let [lastMs, lastBusyMs] = [performance.now(), busyMs()];
  let [longestGapMs, longestBusyGapMs] = [0, 0];
  const look = (): void => {
    const [nowMs, nowBusyMs] = [performance.now(), busyMs()];
    longestGapMs = Math.max(longestGapMs, nowMs - lastMs);
    longestBusyGapMs = Math.max(longestBusyGapMs, nowBusyMs - lastBusyMs);
    [lastMs, lastBusyMs] = [nowMs, nowBusyMs];
  };
  const timer = setInterval(look, 1);
  return {
    stop() {
      clearInterval(timer);
      look();
      return { longestGapMs, longestBusyGapMs };
    },
  };
}

function busyMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
