// Other processes of the machine, as /proc tells of them. Signals nobody. What another process is doing may have
// changed by the time the answer is read; a process that ends meanwhile is left out.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { type MountTableEntry, parseMountTable } from './mount-table.ts';
import { SyscallError } from './syscall-error.ts';

export interface ProcessState {
  readonly pid: number;
  /** the name of its program, at most 15 bytes; chosen by the process */
  readonly comm: string;
  /** `R` running, `S` sleeping, `D` uninterruptible, `T` stopped, `Z` zombie, `X` dead, … (proc_pid_stat(5)) */
  readonly state: string;
  readonly parentPid: number;
  readonly processGroup: number;
  /** clock ticks after boot: with the pid, what tells a process from a later one of the same number */
  readonly startTimeTicks: bigint;
}

/** What a process is doing, or undefined when there is none of that number. */
export function processState(pid: number): ProcessState | undefined {
  const text = readProcFile(`/proc/${pid}/stat`);
  return text === undefined ? undefined : parseProcessState(text);
}

/**
 * Parses /proc/PID/stat. The name stands in brackets and may hold brackets and spaces itself.
 * @throws TypeError when the text is not in the format of the kernel
 */
export function parseProcessState(text: string): ProcessState {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  const rest = text
    .slice(close + 2)
    .trimEnd()
    .split(' ');
  const [state, parentPid, processGroup] = rest;
  const startTime = rest[19];
  const numbers = [text.slice(0, Math.max(0, open - 1)), parentPid, processGroup, startTime];
  const areNumbers = numbers.every((number) => number !== undefined && /^-?\d{1,20}$/.test(number));
  if (close < open || state === undefined || startTime === undefined || !areNumbers) {
    throw new TypeError(`not a process state: ${JSON.stringify(text.slice(0, 80))}`);
  }
  return {
    pid: Number.parseInt(text, 10),
    comm: text.slice(open + 1, close),
    state,
    parentPid: Number(parentPid),
    processGroup: Number(processGroup),
    startTimeTicks: BigInt(startTime),
  };
}

/** All processes that this process can see, by number. */
export function listProcesses(): ProcessState[] {
  return processIds().flatMap((pid) => processState(pid) ?? []);
}

/** The command line of a process, empty for a kernel thread or a zombie, undefined when there is no such process. */
export function commandLine(pid: number): string[] | undefined {
  const text = readProcFile(`/proc/${pid}/cmdline`);
  if (text === undefined) return undefined;
  return text === '' ? [] : text.replace(/\0$/, '').split('\0');
}

export interface MountHolder {
  /** the lowest-numbered process of that mount namespace */
  readonly pid: number;
  readonly comm: string;
  /** `mnt:[4026531840]`: the namespace, as /proc/PID/ns/mnt names it */
  readonly mountNamespace: string;
  /** where the file system is mounted in it, in order; one place can occur more than once */
  readonly mountPoints: readonly string[];
}

/**
 * Every mount namespace in which a file system is mounted, with a process to name it by. A mount in any of them keeps
 * the file system, and with it a device, busy (famfs reference, kernel, section 3). Sees the namespaces of processes
 * in our own pid namespace: all, for a process with the host's. Reads one mount table per namespace, that of its
 * lowest-numbered process; mounts outside of that process's root directory do not show in it.
 * @param deviceMajor device number of the file system, as in mountinfo
 */
export function processesHoldingMount(deviceMajor: number, deviceMinor: number): MountHolder[] {
  return processesHolding((entry) => entry.deviceMajor === deviceMajor && entry.deviceMinor === deviceMinor);
}

/** As `processesHoldingMount`, for every mount that `matches` says yes to; it is shown the mount and its whole table. */
export function processesHolding(
  matches: (entry: MountTableEntry, table: readonly MountTableEntry[]) => boolean,
): MountHolder[] {
  const seen = new Set<string>();
  const holders: MountHolder[] = [];
  for (const pid of processIds()) {
    const mountNamespace = mountNamespaceOf(pid);
    if (mountNamespace === undefined || seen.has(mountNamespace)) continue;
    const table = readProcFile(`/proc/${pid}/mountinfo`);
    // A process that is ending has a namespace no more; another one of the same namespace may follow.
    if (table === undefined || table === '') continue;
    seen.add(mountNamespace);
    const mountPoints = parseMountTable(table)
      .filter((entry, _, all) => matches(entry, all))
      .map((entry) => entry.mountPoint);
    if (mountPoints.length === 0) continue;
    holders.push({ pid, comm: processState(pid)?.comm ?? '', mountNamespace, mountPoints });
  }
  return holders;
}

/** The mount namespace of a process, undefined when it has ended or may not be looked at. */
export function mountNamespaceOf(pid: number | 'self'): string | undefined {
  try {
    return readlinkSync(`/proc/${pid === 'self' ? 'thread-self' : pid}/ns/mnt`);
  } catch {
    return undefined;
  }
}

function processIds(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}

function readProcFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const known = SyscallError.from(error);
    const isGone =
      known instanceof SyscallError && ['ENOENT', 'ESRCH', 'EINVAL', 'EACCES'].includes(known.code);
    if (isGone) return undefined;
    throw known;
  }
}
