// Which processes have a file open, as /proc tells by links. Opens nothing, and reads neither memory maps nor command
// lines: those of a process that is stuck in the kernel make the reader stick as well.
import { readdirSync, readlinkSync } from 'node:fs';
import path from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { listProcesses, type ProcessState } from './processes.ts';

/** So many processes are looked at before others get their turn. */
const batch = 50;

/**
 * The processes with a descriptor whose file `matches` says yes to; it is shown the path, as the kernel names it. Sees what
 * this process may look into: all, for root with the machine's pid namespace. A file that is mapped and was closed does
 * not show.
 */
export async function processesWithOpen(matches: (file: string) => boolean): Promise<ProcessState[]> {
  const found: ProcessState[] = [];
  for (const [index, process] of listProcesses().entries()) {
    if (index % batch === batch - 1) await nextTurn();
    if (openFiles(process.pid).some(matches)) found.push(process);
  }
  return found;
}

function openFiles(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  try {
    return readdirSync(folder).flatMap((fd) => linkOf(path.join(folder, fd)) ?? []);
  } catch {
    // It has ended, or is none of ours to look into.
    return [];
  }
}

function linkOf(link: string): string | undefined {
  try {
    return readlinkSync(link);
  } catch {
    return undefined;
  }
}
