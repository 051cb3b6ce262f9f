// Reads what /proc tells about the memory of a process, out of its texts (proc_pid_smaps(5), proc_pid_status(5)).

/** Memory of a whole process, in bytes. */
export interface ProcessMemory {
  /** Everything that is in memory, pages that it shares with other processes included. */
  readonly residentBytes: number;
  /** What would be free if it ended. */
  readonly privateBytes: number;
}

/** From the text of /proc/PID/smaps_rollup. */
export function parseSmapsRollup(text: string): ProcessMemory {
  return {
    residentBytes: field(text, 'Rss'),
    privateBytes: field(text, 'Private_Clean') + field(text, 'Private_Dirty'),
  };
}

/**
 * From the text of /proc/PID/smaps: the share (PSS) that a process has in the mappings of a file.
 * @throws RangeError when it maps no such file
 */
export function mappingPssBytes(smaps: string, file: string): number {
  const mappings = smaps.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m).filter((mapping) => {
    const [header = ''] = mapping.split('\n', 1);
    return header.endsWith(` ${file}`);
  });
  if (mappings.length === 0) throw new RangeError(`the process has no mapping of ${file}`);
  return mappings.reduce((total, mapping) => total + field(mapping, 'Pss'), 0);
}

/** From the text of /proc/PID/status: what the process' page tables take. */
export function pageTableBytes(status: string): number {
  return field(status, 'VmPTE');
}

function field(text: string, name: string): number {
  const kib = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1];
  if (kib === undefined) throw new RangeError(`there is no ${name} in ${JSON.stringify(text.slice(0, 200))}`);
  return Number(kib) * 1024;
}
