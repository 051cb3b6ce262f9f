// The DAX character devices that the kernel shows in sysfs. Reads and reports; opens no device and changes no
// driver, and knows nothing of what is on a device.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import path from 'node:path';
import { errorCodeOf, SyscallError } from './syscall-error.ts';

export interface DaxDevice {
  /** as on this node: `dax0.0`; differs from node to node */
  readonly name: string;
  /** the device node: `/dev/dax0.0` */
  readonly path: string;
  readonly sizeBytes: bigint;
  readonly alignBytes: bigint;
  /** `fsdev_dax` (famfs mode), `device_dax` (devdax mode), `kmem` (system-ram mode); undefined when none is bound */
  readonly driver: string | undefined;
  /** the NUMA node that the memory would be as system memory; -1 or undefined when the kernel names none */
  readonly targetNode: number | undefined;
  /** physical address of the first byte; undefined when hidden from this process */
  readonly resource: bigint | undefined;
  /** number of the device node, which is also the device number of a standalone-mode mount */
  readonly deviceMajor: number | undefined;
  readonly deviceMinor: number | undefined;
}

/**
 * All DAX devices, by number. A device that goes away meanwhile is left out; one whose size cannot be read too, since
 * the kernel is taking it apart. Without a DAX bus the list is empty.
 * @param sysfsRoot where sysfs is; another folder for a simulated node
 * @param devRoot where device nodes are
 * @throws SyscallError when the list itself cannot be read
 */
export function listDaxDevices(sysfsRoot = '/sys', devRoot = '/dev'): DaxDevice[] {
  const folder = path.join(sysfsRoot, 'bus/dax/devices');
  const devices: DaxDevice[] = [];
  for (const name of deviceNames(folder)) {
    const device = readDaxDevice(path.join(folder, name), name, path.join(devRoot, name));
    if (device !== undefined) devices.push(device);
  }
  return devices;
}

function deviceNames(folder: string): string[] {
  try {
    const names = readdirSync(folder).filter((name) => /^dax\d+\.\d+$/.test(name));
    return names.sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return [];
    throw SyscallError.from(error);
  }
}

function readDaxDevice(folder: string, name: string, devicePath: string): DaxDevice | undefined {
  const sizeBytes = readNumber(folder, 'size');
  if (sizeBytes === undefined) return undefined;
  const targetNode = readNumber(folder, 'target_node');
  const numbers = /^(\d+):(\d+)$/.exec(readAttribute(folder, 'dev') ?? '');
  return {
    name,
    path: devicePath,
    sizeBytes,
    alignBytes: readNumber(folder, 'align') ?? 0n,
    driver: readDriver(folder),
    targetNode: targetNode === undefined ? undefined : Number(targetNode),
    resource: readNumber(folder, 'resource'),
    deviceMajor: numbers === null ? undefined : Number(numbers[1]),
    deviceMinor: numbers === null ? undefined : Number(numbers[2]),
  };
}

/** Any failure is "not known": attributes differ between kernels, and a device can vanish between two reads. */
function readAttribute(folder: string, attribute: string): string | undefined {
  try {
    return readFileSync(path.join(folder, attribute), 'utf8').trim();
  } catch {
    return undefined;
  }
}

function readNumber(folder: string, attribute: string): bigint | undefined {
  const text = readAttribute(folder, attribute);
  if (text === undefined || !/^(-?\d+|0x[0-9a-f]+)$/i.test(text)) return undefined;
  return BigInt(text);
}

function readDriver(folder: string): string | undefined {
  try {
    return path.basename(readlinkSync(path.join(folder, 'driver')));
  } catch {
    return undefined;
  }
}
