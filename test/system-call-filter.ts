// System calls of one thread, handed to whoever supervises it (seccomp_unotify(2)): each can be let through or answered
// with an errno without reaching the kernel. So calls fail in tests that no real fault makes fail on demand, and the code
// under test holds no seam for it. Linux on x64 and arm64; needs root.
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ioctl } from '../src/linux/ioctl.ts';
import { checked, declareFunction, systemCallNumbers } from '../src/linux/libc.ts';
import { type MappedFile, mapFile } from '../src/linux/memory-map.ts';

const seccompCall = declareFunction('syscall', 'long', ['long', 'uint', 'uint', 'void *']);
const pollFunction = declareFunction('poll', 'int', ['void *', 'ulong', 'int']);

interface Architecture {
  /** AUDIT_ARCH_*, by which a filter knows whose numbers it sees */
  readonly audit: number;
  readonly seccomp: number;
  /** Numbers of the calls that publishing makes; those missing have no number of their own here. */
  readonly calls: Readonly<Record<string, number>>;
}

const common = systemCallNumbers;
const architectures: Readonly<Record<string, Architecture>> = {
  x64: {
    audit: 0xc000003e,
    seccomp: 317,
    calls: {
      ...common,
      ...{ open: 2, openat: 257, read: 0, pread64: 17, write: 1, pwrite64: 18, statx: 332, fstat: 5 },
      ...{ newfstatat: 262, umount2: 166, mkdir: 83, mkdirat: 258, rmdir: 84, unlink: 87, unlinkat: 263 },
      ...{ rename: 82, renameat: 264, renameat2: 316 },
    },
  },
  arm64: {
    audit: 0xc00000b7,
    seccomp: 277,
    calls: {
      ...common,
      ...{
        openat: 56,
        read: 63,
        pread64: 67,
        write: 64,
        pwrite64: 68,
        statx: 291,
        fstat: 80,
        newfstatat: 79,
      },
      ...{ umount2: 39, mkdirat: 34, unlinkat: 35, renameat: 38, renameat2: 276 },
    },
  },
};

function ownArchitecture(): Architecture {
  const found = architectures[process.arch];
  if (found === undefined) throw new Error(`no system call numbers of ${process.arch} are known here`);
  return found;
}

const architecture = ownArchitecture();
const names = new Map(Object.entries(architecture.calls).map(([name, number]) => [number, name]));

/** One instruction of a classic BPF program (struct sock_filter). */
type Instruction = readonly [code: number, jumpTrue: number, jumpFalse: number, k: number];

const load = 0x20;
const jumpIfEqual = 0x15;
const answer = 0x06;
const allow = 0x7fff0000;
const notify = 0x7fc00000;

/** By reads and writes of these sizes Node's threads wake each other (libuv, async.c); nobody else's calls have them. */
const wakingSizes = [8, 1024];

/** Hands the calls of the table to the listener and lets all others through. */
function filterProgram(): Instruction[] {
  const { read = -1, write = -1, ...others } = architecture.calls;
  const numbers = Object.values(others);
  const look = 5 + numbers.length + 1;
  const handOver = look + 1 + wakingSizes.length;
  const letThrough = handOver + 1;
  const program: Instruction[] = [[load, 0, 0, 4]];
  /** Jumps count from the instruction that follows. */
  const to = (target: number): number => target - program.length - 1;
  program.push([jumpIfEqual, 0, to(letThrough), architecture.audit], [load, 0, 0, 0]);
  for (const number of [read, write]) program.push([jumpIfEqual, to(look), 0, number]);
  for (const number of numbers) program.push([jumpIfEqual, to(handOver), 0, number]);
  program.push([answer, 0, 0, allow], [load, 0, 0, 32]);
  for (const size of wakingSizes) program.push([jumpIfEqual, to(letThrough), 0, size]);
  program.push([answer, 0, 0, notify], [answer, 0, 0, allow]);
  return program;
}

/**
 * Puts the calling thread, and the threads it begins, under supervision for good. From now on each of the calls waits
 * until `nextCall` and `settle` of another thread have dealt with it.
 * @returns the descriptor to supervise by; descriptors are the whole process's
 */
export function superviseThisThread(): number {
  using memory = mapScratchMemory();
  const bytes = Buffer.from(memory.bytes.buffer);
  const program = filterProgram();
  for (const [index, [code, jumpTrue, jumpFalse, k]] of program.entries()) {
    const at = 16 + index * 8;
    bytes.writeUInt16LE(code, at);
    bytes.writeUInt8(jumpTrue, at + 2);
    bytes.writeUInt8(jumpFalse, at + 3);
    bytes.writeUInt32LE(k, at + 4);
  }
  bytes.writeUInt16LE(program.length, 0);
  bytes.writeBigUInt64LE(memory.address + 16n, 8);
  const setModeFilter = 1;
  const newListener = 8;
  const number = architecture.seccomp;
  // From here on this thread waits for its supervisor, who does not know the descriptor yet: nothing may follow.
  return checked('seccomp', seccompCall(number, setModeFilter, newListener, bytes.subarray(0, 16)));
}

/** A struct that holds an address needs memory that has one, as a mapped file does. */
function mapScratchMemory(): MappedFile {
  const folder = mkdtempSync(path.join(tmpdir(), 'filter-'));
  const file = path.join(folder, 'filter');
  writeFileSync(file, Buffer.alloc(4096));
  const fd = openSync(file, 'r+');
  try {
    return mapFile(fd, 4096, { write: true });
  } finally {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  }
}

/** A system call that waits for its answer. */
export interface WaitingCall {
  readonly id: bigint;
  readonly name: string;
  readonly args: readonly bigint[];
}

const requestBytes = 80;
const responseBytes = 24;
const receive = 0xc0502100;
const send = 0xc0182101;

/** The next call of the supervised thread, undefined when none comes within `timeoutMs`. */
export function nextCall(listenerFd: number, timeoutMs: number): WaitingCall | undefined {
  const poll = Buffer.alloc(8);
  poll.writeInt32LE(listenerFd, 0);
  poll.writeInt16LE(1, 4);
  checked('poll', pollFunction(poll, 1, timeoutMs));
  if ((poll.readInt16LE(6) & 1) === 0) return undefined;
  const request = Buffer.alloc(requestBytes);
  ioctl(listenerFd, receive, request);
  const args = Array.from({ length: 6 }, (_, index) => request.readBigUInt64LE(32 + index * 8));
  const number = request.readInt32LE(16);
  return { id: request.readBigUInt64LE(0), name: names.get(number) ?? String(number), args };
}

/** Lets a waiting call go on into the kernel, or answers it with an errno. */
export function settle(listenerFd: number, { id }: WaitingCall, errno?: number): void {
  const response = Buffer.alloc(responseBytes);
  response.writeBigUInt64LE(id, 0);
  if (errno === undefined) response.writeUInt32LE(1, 20);
  else response.writeInt32LE(-errno, 16);
  ioctl(listenerFd, send, response);
}
