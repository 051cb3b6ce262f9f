// Whether processes get on, or would with a processor to run on: what tells one that hangs from one on a busy machine.
import { readdirSync } from 'node:fs';
import { readOrEmpty } from './file-text.ts';
import { parseProcessState } from './processes.ts';

/** How far some processes have come by a moment. */
export interface ProcessorDemand {
  /** Nanoseconds that their threads have run or stood in line for a processor. */
  readonly spentNs: bigint;
  /** A thread of theirs runs or stands in line now. */
  readonly wantsProcessor: boolean;
}

/**
 * What processes have had and want of the processors (/proc/PID/task/TID/schedstat and stat; Documentation/scheduler/
 * sched-stats.rst). Never waits: neither file needs the memory of the process. Processes that have ended count for nothing.
 * @returns undefined where the kernel keeps no such account (built without CONFIG_SCHED_INFO)
 */
export function processorDemand(pids: readonly number[]): ProcessorDemand | undefined {
  let spentNs = 0n;
  let wantsProcessor = false;
  for (const pid of pids) {
    for (const thread of threadsOf(pid)) {
      const state = readOrEmpty(`${thread}/stat`);
      if (state === '') continue;
      const account = readOrEmpty(`${thread}/schedstat`);
      if (account === '') return undefined;
      spentNs += parseSpent(account);
      wantsProcessor ||= parseProcessState(state).state === 'R';
    }
  }
  return { spentNs, wantsProcessor };
}

/** @param text nanoseconds run, nanoseconds waited, and how often */
function parseSpent(text: string): bigint {
  const [ran = '0', waited = '0'] = text.split(' ');
  return BigInt(ran) + BigInt(waited);
}

function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map((thread) => `/proc/${pid}/task/${thread}`);
  } catch {
    return [];
  }
}
