// Keeps what processes had of private memory while they worked, so that two stretches of work can be compared. Knows no
// process by its role.
import { readFileSync } from 'node:fs';

interface Sample {
  readonly step: number;
  readonly bytes: number;
}

/**
 * Private memory of a process that is in RAM: RssAnon of /proc/PID/status (proc_pid_status(5)). Its heap, stacks and what
 * native code took; no page of a file or of shared memory, which others pay for as well.
 */
export function privateMemoryBytes(pid: number): number {
  const kib = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  if (kib === undefined) throw new Error(`process ${pid} has no memory any more`);
  return Number(kib) * 1024;
}

export class MemoryRecord {
  readonly #samples = new Map<string, Sample[]>();

  /** Notes what these processes have at a step of the work. */
  take(step: number, processes: Readonly<Record<string, number>>): void {
    for (const [name, pid] of Object.entries(processes)) {
      const samples = this.#samples.get(name) ?? [];
      samples.push({ step, bytes: privateMemoryBytes(pid) });
      this.#samples.set(name, samples);
    }
  }

  /**
   * The least that a process had between two steps. A process that collects garbage has a saw-tooth of memory; its low
   * points are what it could not give up, which is where a leak shows.
   */
  floorBytes(name: string, from: number, to: number): number {
    const within = (this.#samples.get(name) ?? []).filter(({ step }) => step >= from && step < to);
    if (within.length === 0) throw new Error(`${name} was not looked at between steps ${from} and ${to}`);
    return Math.min(...within.map(({ bytes }) => bytes));
  }

  /** The most that it ever had. */
  peakBytes(name: string): number {
    return Math.max(...(this.#samples.get(name) ?? []).map(({ bytes }) => bytes));
  }

  /** How the floor went, in so many equal stretches from a step on: what grows and ends growing is no leak. */
  floorsBytes(name: string, from: number, to: number, stretches: number): number[] {
    const length = (to - from) / stretches;
    return Array.from({ length: stretches }, (_, index) =>
      this.floorBytes(name, from + index * length, from + (index + 1) * length),
    );
  }
}
