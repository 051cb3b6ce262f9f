// A simulated node: a directory that looks to the driver like the parts of a host that matter to famfs. Knows
// the layout; what the programs do is famfs.ts, mkfs.ts and daemon.ts.
//
//   NODE/bin/{famfs,mkfs.famfs,famfs_fused,simulator}   scripts: exec PROGRAM --node NODE <tool> "$@"
//   NODE/opt/famfs/system_uuid                who this node is (text, no newline)
//   NODE/dev/<name>                           link to the directory of the simulated device
//   NODE/sys/bus/dax/devices/<name>/          size, align, target_node, resource, driver -> …/drivers/fsdev_dax
//   NODE/run/                                 records of mounts and locks of held devices
//   NODE/node.json                            how the scripts start the simulator, and how it shows mounts
import { randomUUID } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { DriverError } from '../errors.ts';
import { openDevice, type SimulatedDevice } from './device.ts';

/** How mounts are shown: `fuse` = a FUSE server with passthrough; `views` = hard links, bind-mounted; `auto` = fuse where the kernel and the rights allow it. */
export type PresentationChoice = 'auto' | 'fuse' | 'views';

/** Kernel drivers that a dax device can be bound to; famfs wants `fsdev_dax`. */
export type DaxDriver = 'fsdev_dax' | 'device_dax' | 'kmem';

/** The places of a simulated node; all absolute. */
export interface SimulatedNode {
  readonly root: string;
  readonly binDirectory: string;
  readonly devDirectory: string;
  readonly sysDirectory: string;
  readonly systemUuidPath: string;
  readonly runDirectory: string;
  /** argv of the simulator's program, e.g. ['/…/node', '/…/src/sim/main.ts']. */
  readonly program: readonly string[];
  readonly presentation: PresentationChoice;
  /** What stands for /tmp on this node; undefined: /tmp itself. */
  readonly temporaryDirectory: string | undefined;
}

export interface NodeDeviceOptions {
  /** Name on this node, e.g. `dax0.0`. */
  readonly name: string;
  /** Directory of the simulated device. */
  readonly devicePath: string;
  /** Default `fsdev_dax`; `null` = no driver bound. */
  readonly driver?: DaxDriver | null;
}

export interface CreateNodeOptions {
  readonly root: string;
  readonly devices: readonly NodeDeviceOptions[];
  /** Default: this Node and src/sim/main.ts. A bundle is named as [process.execPath, '/…/sim.cjs']. */
  readonly program?: readonly string[];
  /** Default: a random one. `null` leaves the file out, as on a host where famfs never ran. */
  readonly systemUuid?: string | null;
  readonly presentation?: PresentationChoice;
  /** Default: the machine's /tmp, which the nodes then share as real ones do not. */
  readonly temporaryDirectory?: string;
}

/** A device as one node sees it. */
export interface NodeDevice {
  readonly name: string;
  /** NODE/dev/<name>: what the driver passes to famfs, and the source of the mount. */
  readonly path: string;
  readonly device: SimulatedDevice;
  readonly driver: string | null;
}

/** The programs in NODE/bin: those of famfs, and `simulator`, which plugs and unplugs devices. */
const nodeTools = ['famfs', 'mkfs.famfs', 'famfs_fused', 'simulator'] as const;
const daxDrivers: readonly DaxDriver[] = ['fsdev_dax', 'device_dax', 'kmem'];
const alignBytes = 2 * 1024 * 1024;
const hiddenPrefix = 'unplugged-';
/** Where the first simulated device claims to lie in physical memory; the next ones follow at 1 TiB steps. */
const firstResource = 0x1_0000_0000n;
const resourceStep = 0x100_0000_0000n;

interface NodeFile {
  readonly program: readonly string[];
  readonly presentation: PresentationChoice;
  readonly temporaryDirectory?: string;
}

/**
 * Makes the directory of a node: programs, devices, sysfs, identity.
 * Throws `exists-differently` when the directory is a node already, `device-unsuitable` for a device that is none.
 */
export function createNode(options: CreateNodeOptions): SimulatedNode {
  const root = path.resolve(options.root);
  if (existsSync(path.join(root, 'node.json'))) {
    throw new DriverError(
      'exists-differently',
      `${root} is a simulated node already; remove it to make another`,
    );
  }
  return ensureNode(options);
}

/**
 * Makes the directory of a node, or brings one up to date: its identity and what is mounted stay, its programs are replaced
 * one by one, and it sees the devices that are named and no others.
 */
export function ensureNode(options: CreateNodeOptions): SimulatedNode {
  const root = path.resolve(options.root);
  const file: NodeFile = {
    program: options.program ?? defaultProgram(),
    presentation: options.presentation ?? 'auto',
    ...(options.temporaryDirectory === undefined ? {} : { temporaryDirectory: options.temporaryDirectory }),
  };
  const node = nodeAt(root, file);
  for (const directory of [
    node.binDirectory,
    node.devDirectory,
    node.runDirectory,
    path.dirname(node.systemUuidPath),
  ]) {
    mkdirSync(directory, { recursive: true });
  }
  for (const driver of daxDrivers)
    mkdirSync(path.join(node.sysDirectory, 'bus/dax/drivers', driver), { recursive: true });
  mkdirSync(path.join(node.sysDirectory, 'bus/dax/devices'), { recursive: true });
  const systemUuid = options.systemUuid === undefined ? randomUUID() : options.systemUuid;
  if (systemUuid !== null && !existsSync(node.systemUuidPath))
    replaceFile(node.systemUuidPath, systemUuid, 0o444);
  showDevices(node, options.devices);
  // Before the scripts: what they start reads it.
  replaceFile(path.join(root, 'node.json'), `${JSON.stringify(file, null, 2)}\n`, 0o644);
  for (const tool of nodeTools) writeScript(node, tool);
  return node;
}

/** A device that is right already is left alone: it may be mounted. */
function showDevices(node: SimulatedNode, devices: readonly NodeDeviceOptions[]): void {
  for (const name of hiddenDevices(node)) hideNodeDevice(node, name, false);
  for (const name of readdirSync(node.devDirectory))
    if (!devices.some((device) => device.name === name)) removeNodeDevice(node, name);
  for (const device of devices) {
    const there = findNodeDevice(node, device.name);
    const isRight = there?.device.directory === path.resolve(device.devicePath);
    if (isRight && existsSync(busEntry(node, device.name))) continue;
    removeNodeDevice(node, device.name);
    addNodeDevice(node, device);
  }
}

/** Opens the node in a directory. Throws `config-invalid` when the directory is none. */
export function openNode(root: string): SimulatedNode {
  const absolute = path.resolve(root);
  const nodeFile = path.join(absolute, 'node.json');
  if (!existsSync(nodeFile)) {
    throw new DriverError('config-invalid', `${absolute} is no simulated node; make one with create-node`);
  }
  const parsed: unknown = JSON.parse(readFileSync(nodeFile, 'utf8'));
  if (!isNodeFile(parsed))
    throw new DriverError('config-invalid', `${nodeFile} does not describe a simulated node`);
  return nodeAt(absolute, parsed);
}

/** Adds a device to a node, as hot-plug does. */
export function addNodeDevice(node: SimulatedNode, options: NodeDeviceOptions): void {
  const device = openDevice(options.devicePath);
  const index = firstFreeIndex(node);
  const sysDevice = path.join(node.sysDirectory, 'devices/simulated', options.name);
  mkdirSync(sysDevice, { recursive: true });
  const attributes: Readonly<Record<string, string>> = {
    align: `${alignBytes}`,
    dev: `252:${index}`,
    modalias: 'dax:t0',
    numa_node: '0',
    resource: `0x${(firstResource + resourceStep * BigInt(index)).toString(16)}`,
    size: `${device.sizeBytes}`,
    target_node: '0',
  };
  for (const [name, text] of Object.entries(attributes))
    writeFileSync(path.join(sysDevice, name), `${text}\n`);
  symlinkSync('../../../bus/dax', path.join(sysDevice, 'subsystem'));
  symlinkSync(path.join('../../../devices/simulated', options.name), busEntry(node, options.name));
  symlinkSync(device.directory, devEntry(node, options.name));
  setDeviceDriver(node, options.name, options.driver === undefined ? 'fsdev_dax' : options.driver);
}

/** Which device it is in /dev, and where it claims to lie: a number that no other device of the node has. */
function firstFreeIndex(node: SimulatedNode): number {
  const folder = path.join(node.sysDirectory, 'devices/simulated');
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const taken = new Set(names.map((name) => readIfThere(path.join(folder, name, 'dev'))));
  let index = 0;
  while (taken.has(`252:${index}`)) index += 1;
  return index;
}

function readIfThere(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
}

/**
 * Lets a device of a node disappear from sysfs and /dev, and come back (`hidden` false), as hot-unplug and hot-plug do.
 * Throws `device-not-found` when there is no such device to take away or to bring back.
 */
export function hideNodeDevice(node: SimulatedNode, name: string, hidden: boolean): void {
  const [from, to] = fromTo(busEntry(node, name), hiddenEntry(node, name), hidden);
  const [nodeFrom, nodeTo] = fromTo(devEntry(node, name), hiddenDevEntry(node, name), hidden);
  try {
    // The entry in sysfs, moved last, says which of the two it is: half a move, cut off, can be made again.
    if (isThere(from) && isThere(nodeFrom)) renameSync(nodeFrom, nodeTo);
    renameSync(from, to);
  } catch (error) {
    const state = hidden ? 'shows no' : 'has no unplugged';
    throw new DriverError('device-not-found', `the node ${node.root} ${state} device ${name}`, {
      cause: error,
    });
  }
}

function fromTo(shown: string, hidden: string, hides: boolean): readonly [string, string] {
  return hides ? [shown, hidden] : [hidden, shown];
}

function hiddenDevices(node: SimulatedNode): string[] {
  return readdirSync(path.dirname(hiddenEntry(node, ''))).flatMap((name) => {
    return name.startsWith(hiddenPrefix) ? [name.slice(hiddenPrefix.length)] : [];
  });
}

/** The entry itself, wherever it may lead. */
function isThere(entry: string): boolean {
  return lstatSync(entry, { throwIfNoEntry: false }) !== undefined;
}

function devEntry(node: SimulatedNode, name: string): string {
  return path.join(node.devDirectory, name);
}

/** Where the entry in /dev is meanwhile. */
function hiddenDevEntry(node: SimulatedNode, name: string): string {
  return path.join(node.runDirectory, `${hiddenPrefix}${name}`);
}

function busEntry(node: SimulatedNode, name: string): string {
  return path.join(node.sysDirectory, 'bus/dax/devices', name);
}

function hiddenEntry(node: SimulatedNode, name: string): string {
  return path.join(node.sysDirectory, 'bus/dax', `${hiddenPrefix}${name}`);
}

/** Takes a device off a node, as hot-unplug does. Its bytes stay. */
export function removeNodeDevice(node: SimulatedNode, name: string): void {
  const entries = [devEntry, hiddenDevEntry, busEntry, hiddenEntry];
  for (const entry of entries) rmSync(entry(node, name), { force: true });
  rmSync(path.join(node.sysDirectory, 'devices/simulated', name), { recursive: true, force: true });
}

/** Binds a device of a node to a kernel driver (`daxctl reconfigure-device`, `-M`), or with `null` to none. */
export function setDeviceDriver(node: SimulatedNode, name: string, driver: DaxDriver | null): void {
  const sysDevice = path.join(node.sysDirectory, 'devices/simulated', name);
  const link = path.join(sysDevice, 'driver');
  rmSync(link, { force: true });
  if (driver !== null) symlinkSync(path.join('../../../bus/dax/drivers', driver), link);
  const bound = driver === null ? '' : `DRIVER=${driver}\n`;
  writeFileSync(path.join(sysDevice, 'uevent'), `DEVNAME=${name}\n${bound}MODALIAS=dax:t0\n`);
}

/** The device that a path names on this node, or undefined. The path may be NODE/dev/<name> or the plain name. */
export function findNodeDevice(node: SimulatedNode, devicePath: string): NodeDevice | undefined {
  const name = path.basename(devicePath);
  const link = path.join(node.devDirectory, name);
  const isOurs = devicePath === name || resolveParent(devicePath) === resolveParent(link);
  if (name === '' || !isOurs || !existsSync(path.join(link, 'size'))) return undefined;
  return { name, path: link, device: openDevice(realpathSync(link)), driver: boundDriver(node, name) };
}

/** Every device of the node, by name. */
export function listNodeDevices(node: SimulatedNode): NodeDevice[] {
  const names = readdirSync(node.devDirectory).sort();
  return names.flatMap((name) => findNodeDevice(node, path.join(node.devDirectory, name)) ?? []);
}

function boundDriver(node: SimulatedNode, name: string): string | null {
  try {
    return path.basename(readlinkSync(path.join(node.sysDirectory, 'devices/simulated', name, 'driver')));
  } catch {
    return null;
  }
}

/** The real directory that holds an entry, so that two ways to one NODE/dev compare as equal. */
function resolveParent(entry: string): string {
  const parent = path.dirname(path.resolve(entry));
  return existsSync(parent) ? realpathSync(parent) : parent;
}

/** Where Node keeps compiled sources of the simulator: it more than halves the start of every command. */
export function compileCacheDirectory(node: SimulatedNode): string {
  return path.join(node.runDirectory, 'compile-cache');
}

function nodeAt(root: string, file: NodeFile): SimulatedNode {
  return {
    root,
    binDirectory: path.join(root, 'bin'),
    devDirectory: path.join(root, 'dev'),
    sysDirectory: path.join(root, 'sys'),
    systemUuidPath: path.join(root, 'opt/famfs/system_uuid'),
    runDirectory: path.join(root, 'run'),
    program: file.program,
    presentation: file.presentation,
    temporaryDirectory: file.temporaryDirectory,
  };
}

function isNodeFile(value: unknown): value is NodeFile {
  if (typeof value !== 'object' || value === null) return false;
  if (!('program' in value) || !Array.isArray(value.program) || !('presentation' in value)) return false;
  const isProgram = value.program.length > 0 && value.program.every((part) => typeof part === 'string');
  if ('temporaryDirectory' in value && typeof value.temporaryDirectory !== 'string') return false;
  return isProgram && ['auto', 'fuse', 'views'].includes(String(value.presentation));
}

function defaultProgram(): string[] {
  return [process.execPath, path.join(import.meta.dirname, 'main.ts')];
}

function writeScript(node: SimulatedNode, tool: string): void {
  const words = [...node.program, '--node', node.root, tool].map(quoteForShell).join(' ');
  const script = path.join(node.binDirectory, tool);
  const cache = quoteForShell(compileCacheDirectory(node));
  replaceFile(script, `#!/bin/sh\nexport NODE_COMPILE_CACHE=${cache}\nexec ${words} "$@"\n`, 0o755);
}

/** Readers, and whoever executes it this moment, see the old file or the new one. */
function replaceFile(file: string, text: string, mode: number): void {
  const unfinished = `${file}.new`;
  rmSync(unfinished, { force: true });
  writeFileSync(unfinished, text);
  chmodSync(unfinished, mode);
  renameSync(unfinished, file);
}

function quoteForShell(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
