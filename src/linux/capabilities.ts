// The capabilities of a process (capabilities(7)), by name.
import { readFileSync } from 'node:fs';
import { SyscallError } from './syscall-error.ts';

/** In the order of their numbers (include/uapi/linux/capability.h). */
const capabilityNames = [
  [
    'CAP_CHOWN',
    'CAP_DAC_OVERRIDE',
    'CAP_DAC_READ_SEARCH',
    'CAP_FOWNER',
    'CAP_FSETID',
    'CAP_KILL',
    'CAP_SETGID',
  ],
  ['CAP_SETUID', 'CAP_SETPCAP', 'CAP_LINUX_IMMUTABLE', 'CAP_NET_BIND_SERVICE', 'CAP_NET_BROADCAST'],
  ['CAP_NET_ADMIN', 'CAP_NET_RAW', 'CAP_IPC_LOCK', 'CAP_IPC_OWNER', 'CAP_SYS_MODULE', 'CAP_SYS_RAWIO'],
  ['CAP_SYS_CHROOT', 'CAP_SYS_PTRACE', 'CAP_SYS_PACCT', 'CAP_SYS_ADMIN', 'CAP_SYS_BOOT', 'CAP_SYS_NICE'],
  ['CAP_SYS_RESOURCE', 'CAP_SYS_TIME', 'CAP_SYS_TTY_CONFIG', 'CAP_MKNOD', 'CAP_LEASE', 'CAP_AUDIT_WRITE'],
  ['CAP_AUDIT_CONTROL', 'CAP_SETFCAP', 'CAP_MAC_OVERRIDE', 'CAP_MAC_ADMIN', 'CAP_SYSLOG', 'CAP_WAKE_ALARM'],
  ['CAP_BLOCK_SUSPEND', 'CAP_AUDIT_READ', 'CAP_PERFMON', 'CAP_BPF', 'CAP_CHECKPOINT_RESTORE'],
].flat();

/**
 * The names of the capabilities in effect, from the text of /proc/PID/status. One that has no name yet is `CAP_N`.
 * @throws TypeError when the text has no CapEff line, or not of the 64 bits that the kernel writes (fs/proc/array.c, render_cap_t)
 */
export function parseEffectiveCapabilities(status: string): ReadonlySet<string> {
  const hex = /^CapEff:\s*([0-9a-f]{16})$/m.exec(status)?.[1];
  if (hex === undefined) throw new TypeError('a process status without a CapEff line');
  const bits = BigInt(`0x${hex}`);
  const names = new Set<string>();
  for (let number = 0n; bits >> number !== 0n; number++) {
    if ((bits & (1n << number)) !== 0n) names.add(capabilityNames[Number(number)] ?? `CAP_${number}`);
  }
  return names;
}

/**
 * The capabilities in effect of a process.
 * @throws SyscallError when there is no such process
 */
export function effectiveCapabilities(pid: number | 'self' = 'self'): ReadonlySet<string> {
  try {
    return parseEffectiveCapabilities(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch (error) {
    throw SyscallError.from(error);
  }
}

/** Those of `needed` (`CAP_SYS_ADMIN`, …) that this process does not have, in the same order. */
export function missingCapabilities(needed: readonly string[]): string[] {
  const held = effectiveCapabilities();
  return needed.filter((name) => !held.has(name));
}
