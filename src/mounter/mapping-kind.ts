// The truth about a mapping: maps a file of a pool, touches it, and tells from what the kernel says which memory
// answered. A page-cache mapping is never called DAX. Used in worker processes only.
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { DriverError } from '../errors.ts';
import { openat2, resolveFlags } from '../linux/file-descriptor.ts';
import { mapFile, readSmaps } from '../linux/memory-map.ts';
import { sizeText } from '../size-text.ts';
import { mountFailure, withPoolRoot } from './mounted-pool.ts';
import type { MappingEvidence, PhysicalRange } from './pool-verbs.ts';

const hugePageBytes = 2 * 1024 * 1024;
const smallPageBytes = 4096;

/** At most this much of a file is mapped to look at. */
const sampleBytes = 64n * 1024n * 1024n;

/**
 * Maps up to 64 MiB of a file read-only, reads one byte of every 2 MiB and looks at what that made resident: where the
 * pages lie in physical memory (`/proc/self/pagemap`, for root only) and how much one touch brings in (smaps).
 * @param physical the device's place in physical memory; pages inside it are DAX pages, pages outside are not
 */
export function inspectMapping(
  mountPath: string,
  request: {
    readonly path: string;
    readonly simulated: boolean;
    readonly physical: PhysicalRange | undefined;
  },
): MappingEvidence {
  return withPoolRoot(mountPath, (rootFd) => {
    const fd = openFile(rootFd, request.path);
    try {
      return lookAtMapping(fd, request);
    } finally {
      closeSync(fd);
    }
  });
}

function openFile(rootFd: number, path: string): number {
  try {
    return openat2(rootFd, path, {
      flags: constants.O_RDONLY | constants.O_NOFOLLOW,
      resolve: resolveFlags.beneath | resolveFlags.noSymlinks,
    });
  } catch (error) {
    const failure = mountFailure(error);
    if (failure instanceof DriverError && failure.reason === 'pool-not-ready') {
      throw new DriverError('path-not-visible', `This node cannot open ${path} in the pool.`, {
        cause: error,
      });
    }
    throw failure;
  }
}

function lookAtMapping(
  fd: number,
  request: {
    readonly path: string;
    readonly simulated: boolean;
    readonly physical: PhysicalRange | undefined;
  },
): MappingEvidence {
  const lengthBytes = fstatSync(fd, { bigint: true }).size;
  const mappedBytes = lengthBytes < sampleBytes ? lengthBytes : sampleBytes;
  if (mappedBytes === 0n)
    throw new DriverError('invalid-argument', `${request.path} is empty; there is nothing to map.`);
  const mapped = mapFile(fd, Number(mappedBytes), { write: false });
  try {
    let touched = 0;
    let sum = 0;
    for (let offset = 0; offset < mapped.bytes.length; offset += hugePageBytes) {
      sum += mapped.bytes[offset] ?? 0;
      touched++;
    }
    const smaps = readSmaps('self', mapped.address);
    const residentPerTouchBytes = Number(smaps.rssBytes) / touched;
    const frame = firstPhysicalAddress(mapped.address);
    const inDevice =
      request.physical !== undefined && frame !== undefined && isInside(frame, request.physical);
    const evidence = [
      `${touched} touches (checksum ${sum}) made ${sizeText(BigInt(smaps.rssBytes))} resident`,
      `kernel page size ${sizeText(BigInt(smaps.kernelPageSizeBytes))}, MMU page size ${sizeText(BigInt(smaps.mmuPageSizeBytes))}`,
      frame === undefined
        ? 'physical address not readable'
        : `first page at physical 0x${frame.toString(16)}`,
      request.physical === undefined
        ? 'device gives no physical range'
        : `device at 0x${request.physical.start.toString(16)}+${request.physical.sizeBytes}`,
    ].join('; ');
    const isHuge =
      inDevice && !request.simulated && residentPerTouchBytes >= Math.min(hugePageBytes, Number(mappedBytes));
    const pageSizeBytes = isHuge ? hugePageBytes : Number(smaps.mmuPageSizeBytes) || smallPageBytes;
    return {
      kind: kindOf(request.simulated, inDevice, isHuge, frame !== undefined),
      pageSizeBytes,
      mappedBytes,
      evidence,
    };
  } finally {
    mapped.unmap();
  }
}

function kindOf(
  simulated: boolean,
  inDevice: boolean,
  isHuge: boolean,
  knowsPlace: boolean,
): MappingEvidence['kind'] {
  // First, because a simulated device claims a range of physical memory that ordinary pages lie in as well.
  if (simulated) return 'simulated';
  if (inDevice) return isHuge ? 'dax-2mib' : 'dax-4kib';
  return knowsPlace ? 'page-cache' : 'unknown';
}

function isInside(address: bigint, range: PhysicalRange): boolean {
  return address >= range.start && address < range.start + range.sizeBytes;
}

/** Physical address of a mapped, touched page; undefined without the right to see it (kernel: Documentation/admin-guide/mm/pagemap). */
function firstPhysicalAddress(address: bigint): bigint | undefined {
  const fd = openSync('/proc/self/pagemap', 'r');
  try {
    const entry = Buffer.alloc(8);
    readSync(fd, entry, 0, 8, (address / BigInt(smallPageBytes)) * 8n);
    const bits = entry.readBigUInt64LE();
    const isPresent = (bits & (1n << 63n)) !== 0n;
    const frame = bits & ((1n << 55n) - 1n);
    return isPresent && frame !== 0n ? frame * BigInt(smallPageBytes) : undefined;
  } finally {
    closeSync(fd);
  }
}
