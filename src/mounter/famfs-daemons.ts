// How famfs's daemons are told from other processes by their command lines (famfs reference 5.1). Signals nobody.
import { commandLine } from '../linux/processes.ts';

/** A daemon's command line by words; one that has renamed itself shows blanks for the NULs between them. */
export function daemonWords(pid: number): string[] {
  return (commandLine(pid) ?? []).flatMap((text) => text.split(' ')).filter((word) => word !== '');
}
