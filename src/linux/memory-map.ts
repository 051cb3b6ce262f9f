// Files mapped into this process as bytes, and what the kernel tells about such mappings. Knows no file system.
import { readFileSync } from 'node:fs';
import { checked, checkedPointer, declareFunction, viewMemory } from './libc.ts';
import { SyscallError } from './syscall-error.ts';

const mmapFunction = declareFunction('mmap', 'void *', ['void *', 'size_t', 'int', 'int', 'int', 'int64_t']);
const munmapFunction = declareFunction('munmap', 'int', ['size_t', 'size_t']);

const protRead = 1;
const protWrite = 2;
const mapShared = 1;

/**
 * A shared mapping of a file. `bytes` are the pages themselves, no copy: a store by another process, or by another
 * host on shared memory, is seen here. Touching a page whose memory has failed or that lies beyond the end of the
 * file ends the process with SIGBUS, so a file that is not one's own is mapped in a worker process.
 */
export class MappedFile {
  readonly address: bigint;
  readonly lengthBytes: number;
  #buffer: ArrayBuffer;
  #bytes: Uint8Array<ArrayBuffer>;

  constructor(address: bigint, lengthBytes: number) {
    this.address = address;
    this.lengthBytes = lengthBytes;
    this.#buffer = viewMemory(address, lengthBytes);
    this.#bytes = new Uint8Array(this.#buffer);
  }

  /** The mapped bytes; empty after `unmap`. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes;
  }

  /**
   * Ends the mapping. Every array over it is emptied first, so that none of them reaches into memory that is gone.
   * Safe to call twice.
   * @throws SyscallError
   */
  unmap(): void {
    if (this.#buffer.detached) return;
    this.#buffer.transfer();
    checked('munmap', munmapFunction(this.address, this.lengthBytes));
  }

  [Symbol.dispose](): void {
    this.unmap();
  }
}

export interface MapOptions {
  /** stores go to the file; the descriptor must be open for writing */
  readonly write?: boolean;
  /** where in the file to begin; a multiple of the page size */
  readonly offsetBytes?: bigint;
}

/**
 * Maps `lengthBytes` of an open file, shared. The descriptor may be closed afterwards.
 * @throws SyscallError — EACCES when the descriptor does not allow it, ENODEV when the file cannot be mapped
 */
export function mapFile(fd: number, lengthBytes: number, options: MapOptions = {}): MappedFile {
  const { write = false, offsetBytes = 0n } = options;
  const protection = protRead | (write ? protWrite : 0);
  const address = mmapFunction(null, lengthBytes, protection, mapShared, fd, offsetBytes);
  return new MappedFile(checkedPointer('mmap', address), lengthBytes);
}

/** What the kernel tells of one mapping of a process (proc_pid_smaps(5)). */
export interface SmapsEntry {
  readonly startAddress: bigint;
  /** the first address after the mapping */
  readonly endAddress: bigint;
  /** `r`, `w`, `x` or `-` each, then `s` shared or `p` private */
  readonly permissions: string;
  readonly offsetBytes: bigint;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  readonly inode: bigint;
  /** the file as the process would name it; empty for memory without one */
  readonly path: string;
  readonly sizeBytes: bigint;
  readonly rssBytes: bigint;
  /** the resident part, each page divided by the number of processes that share it */
  readonly pssBytes: bigint;
  readonly sharedBytes: bigint;
  readonly privateBytes: bigint;
  readonly swapBytes: bigint;
  readonly kernelPageSizeBytes: bigint;
  readonly mmuPageSizeBytes: bigint;
  /** what is mapped by one entry of the second page-table level: huge pages of files */
  readonly filePmdMappedBytes: bigint;
  /** two letters each; empty for a rollup */
  readonly vmFlags: readonly string[];
}

const smapsHeader = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) ([0-9a-f]+) ([0-9a-f]+):([0-9a-f]+) (\d+)(?: +(.*))?$/;

/**
 * Parses the text of smaps or smaps_rollup. Fields of kernels to come are passed over; missing ones are 0.
 * @throws TypeError that quotes the line when the text is not in the format of the kernel
 */
export function parseSmaps(text: string): SmapsEntry[] {
  const entries: SmapsEntry[] = [];
  let header: RegExpExecArray | undefined;
  let fields = new Map<string, string>();
  const finish = (): void => {
    if (header !== undefined) entries.push(smapsEntry(header, fields));
  };
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const match = smapsHeader.exec(line);
    if (match !== null) {
      finish();
      header = match;
      fields = new Map();
      continue;
    }
    const colon = line.indexOf(':');
    if (header === undefined || colon === -1)
      throw new TypeError(`not a line of smaps: ${JSON.stringify(line)}`);
    fields.set(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  finish();
  return entries;
}

function smapsEntry(header: RegExpExecArray, fields: ReadonlyMap<string, string>): SmapsEntry {
  const [, start = '0', end = '0', permissions = '', offset = '0', major = '0', minor = '0', inode = '0'] =
    header;
  const bytes = (name: string): bigint => {
    const text = fields.get(name) ?? '0';
    const kibibytes = /^(\d{1,20})(?: kB)?$/.exec(text)?.[1];
    if (kibibytes === undefined)
      throw new TypeError(`not a line of smaps: ${JSON.stringify(`${name}: ${text}`)}`);
    return BigInt(kibibytes) * 1024n;
  };
  const flags = fields.get('VmFlags');
  return {
    startAddress: BigInt(`0x${start}`),
    endAddress: BigInt(`0x${end}`),
    permissions,
    offsetBytes: BigInt(`0x${offset}`),
    deviceMajor: Number.parseInt(major, 16),
    deviceMinor: Number.parseInt(minor, 16),
    inode: BigInt(inode),
    path: header[8] ?? '',
    sizeBytes: bytes('Size'),
    rssBytes: bytes('Rss'),
    pssBytes: bytes('Pss'),
    sharedBytes: bytes('Shared_Clean') + bytes('Shared_Dirty'),
    privateBytes: bytes('Private_Clean') + bytes('Private_Dirty'),
    swapBytes: bytes('Swap'),
    kernelPageSizeBytes: bytes('KernelPageSize'),
    mmuPageSizeBytes: bytes('MMUPageSize'),
    filePmdMappedBytes: bytes('FilePmdMapped'),
    vmFlags: flags === undefined ? [] : flags.split(' '),
  };
}

/**
 * The mappings of a process, lowest address first; with `address`, the one mapping that holds it.
 * @throws SyscallError — ENOENT or ESRCH without such a process, EACCES without the right; EFAULT when nothing is
 *   mapped at `address`
 */
export function readSmaps(pid: number | 'self'): SmapsEntry[];
export function readSmaps(pid: number | 'self', address: bigint): SmapsEntry;
export function readSmaps(pid: number | 'self', address?: bigint): SmapsEntry[] | SmapsEntry {
  const entries = parseSmaps(readProcText(`/proc/${pid}/smaps`));
  if (address === undefined) return entries;
  const entry = entries.find((each) => each.startAddress <= address && address < each.endAddress);
  if (entry === undefined) throw new SyscallError('smaps', 14, `/proc/${pid}/smaps`);
  return entry;
}

/**
 * The sums over all mappings of a process (smaps_rollup): much cheaper than adding `readSmaps` up. Page sizes and
 * `sizeBytes` are 0 in it.
 * @throws SyscallError as `readSmaps`
 */
export function readSmapsRollup(pid: number | 'self'): SmapsEntry {
  const [rollup] = parseSmaps(readProcText(`/proc/${pid}/smaps_rollup`));
  // A process without memory (a kernel thread, a zombie) has an empty file.
  if (rollup === undefined) throw new SyscallError('smaps_rollup', 3, `/proc/${pid}/smaps_rollup`);
  return rollup;
}

function readProcText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw SyscallError.from(error);
  }
}
