// Turns what the driver wants of famfs into the argument list of one program. Pure: runs nothing. All operands are
// absolute paths and every other value is digits, so no value can become an option; `--` is not needed and not used,
// which keeps every line in a form that was seen to work with the real famfs.
import {
  type Interleave,
  interleaveArguments,
  logLengthText,
  modeText,
  type Owner,
  ownerTexts,
  requireAbsolutePath,
  requireDevicePath,
  requireMountPoint,
  requirePoolPath,
  requireShadowPath,
  seedText,
  sizeText,
} from './command-values.ts';
import { type FamfsMode, modeFlags } from './famfs-mode.ts';

/** A file or directory of a mounted pool: `path` is relative to the pool's root. */
export interface PlaceInPool {
  readonly mountPoint: string;
  readonly path: string;
}

export interface MkfsRequest {
  readonly name: 'mkfs';
  readonly device: string;
  /** a power of two of at least 8 MiB, famfs's own default when absent */
  readonly logLengthBytes?: bigint;
  /** reformats whatever is there, another host's pool too: only after the checks of design rule 10 */
  readonly force?: boolean;
  /** switches the device's driver, which needs consent (design rule 10) */
  readonly setDaxMode?: boolean;
}

export interface MountRequest {
  readonly name: 'mount';
  readonly device: string;
  /** an existing directory whose path contains "famfs" */
  readonly mountPoint: string;
  /** fuse mode: a fresh directory, seen at the same path by whoever runs famfs commands; else famfs makes one in /tmp */
  readonly shadowPath?: string;
  readonly setDaxMode?: boolean;
  /** standalone mode: let famfs call modprobe */
  readonly loadModule?: boolean;
}

/** A mount below /tmp that shows the superblock of a device without replaying its log; the caller unmounts it. */
export interface DummyMountRequest {
  readonly name: 'dummy-mount';
  readonly device: string;
  readonly setDaxMode?: boolean;
  readonly loadModule?: boolean;
}

export interface LogplayRequest {
  readonly name: 'logplay';
  readonly mountPoint: string;
}

/** Makes one directory; the parent exists (never `-p`, which logs several entries at once). */
export interface MkdirRequest extends PlaceInPool, Owner {
  readonly name: 'mkdir';
  readonly mode: number;
}

/** Makes one file of a fixed size. Its contents are what the memory held before, unless a seed is given. */
export interface CreatRequest extends PlaceInPool, Owner {
  readonly name: 'creat';
  readonly sizeBytes: bigint;
  readonly mode: number;
  readonly interleave?: Interleave;
  /** fill with random data that `verify` can check */
  readonly seed?: number;
}

/** Copies one file into the pool. The log entry comes first, the bytes after it (reference 1.5). */
export interface CpRequest extends PlaceInPool {
  readonly name: 'cp';
  /** absolute, as the commands' location sees it */
  readonly source: string;
  /** the source's permission bits when absent */
  readonly mode?: number;
  /** root when absent */
  readonly owner?: Owner;
  readonly interleave?: Interleave;
}

/** Checks a mounted pool, or an unmounted device, which famfs mounts below /tmp for the time of the check. */
export type FsckRequest = { readonly name: 'fsck' } & (
  | { readonly mountPoint: string; readonly device?: never }
  | { readonly device: string; readonly mountPoint?: never }
);

/**
 * Writes back, or drops, the processor's cached copy of a file: for the writer after writing and for a reader
 * before reading. `path` may also be `.meta/.log` or `.meta/.superblock`.
 */
export interface FlushRequest extends PlaceInPool {
  readonly name: 'flush';
}

/** Checks the contents of a file that `creat` filled by the same seed. */
export interface VerifyRequest extends PlaceInPool {
  readonly name: 'verify';
  readonly seed: number;
}

export type FamfsRequest =
  | MkfsRequest
  | MountRequest
  | DummyMountRequest
  | LogplayRequest
  | MkdirRequest
  | CreatRequest
  | CpRequest
  | FsckRequest
  | FlushRequest
  | VerifyRequest;

export type CommandName = FamfsRequest['name'];

/** One program and its arguments, as execve(2) takes them. */
export interface CommandLine {
  readonly program: 'famfs' | 'mkfs.famfs';
  readonly args: readonly string[];
}

const metaFiles = ['.meta/.log', '.meta/.superblock'];

function placePath({ mountPoint, path }: PlaceInPool): string {
  return `${requireMountPoint(mountPoint)}/${requirePoolPath(path)}`;
}

function flushPath(place: PlaceInPool): string {
  if (!metaFiles.includes(place.path)) return placePath(place);
  return `${requireMountPoint(place.mountPoint)}/${place.path}`;
}

function ownerArguments(owner: Owner): string[] {
  const { uid, gid } = ownerTexts(owner);
  return ['-u', uid, '-g', gid];
}

function driverArguments(request: {
  readonly setDaxMode?: boolean;
  readonly loadModule?: boolean;
}): string[] {
  const { setDaxMode = false, loadModule = false } = request;
  return [...(setDaxMode ? ['-M'] : []), ...(loadModule ? ['-L'] : [])];
}

function mkfsArguments(request: MkfsRequest, mode: FamfsMode): string[] {
  const { logLengthBytes, force = false } = request;
  const length = logLengthBytes === undefined ? [] : ['-l', logLengthText(logLengthBytes)];
  const options = [...driverArguments(request), ...(force ? ['-f'] : []), ...length];
  return [modeFlags[mode], ...options, requireDevicePath(request.device)];
}

function mountArguments(request: MountRequest, mode: FamfsMode): string[] {
  const { shadowPath } = request;
  const shadow =
    shadowPath === undefined || mode === 'standalone' ? [] : [`--shadow=${requireShadowPath(shadowPath)}`];
  const places = [requireDevicePath(request.device), requireMountPoint(request.mountPoint)];
  return ['mount', modeFlags[mode], ...driverArguments(request), ...shadow, ...places];
}

function dummyMountArguments(request: DummyMountRequest, mode: FamfsMode): string[] {
  const device = requireDevicePath(request.device);
  return ['mount', modeFlags[mode], ...driverArguments(request), '-D', device];
}

function creatArguments(request: CreatRequest): string[] {
  const { seed, interleave } = request;
  return [
    'creat',
    '-s',
    sizeText(request.sizeBytes),
    '-m',
    modeText(request.mode),
    ...ownerArguments(request),
    ...(interleave === undefined ? [] : interleaveArguments(interleave)),
    ...(seed === undefined ? [] : ['-r', '-S', seedText(seed)]),
    placePath(request),
  ];
}

function cpArguments(request: CpRequest): string[] {
  const { mode, owner, interleave } = request;
  return [
    'cp',
    ...(mode === undefined ? [] : ['-m', modeText(mode)]),
    ...(owner === undefined ? [] : ownerArguments(owner)),
    ...(interleave === undefined ? [] : interleaveArguments(interleave)),
    requireAbsolutePath('The source', request.source),
    placePath(request),
  ];
}

function fsckArguments(request: FsckRequest, mode: FamfsMode): string[] {
  const target =
    request.device === undefined ? requireMountPoint(request.mountPoint) : requireDevicePath(request.device);
  return ['fsck', modeFlags[mode], target];
}

function famfsArguments(request: Exclude<FamfsRequest, MkfsRequest>, mode: FamfsMode): string[] {
  switch (request.name) {
    case 'mount':
      return mountArguments(request, mode);
    case 'dummy-mount':
      return dummyMountArguments(request, mode);
    case 'logplay':
      return ['logplay', requireMountPoint(request.mountPoint)];
    case 'mkdir':
      return ['mkdir', '-m', modeText(request.mode), ...ownerArguments(request), placePath(request)];
    case 'creat':
      return creatArguments(request);
    case 'cp':
      return cpArguments(request);
    case 'fsck':
      return fsckArguments(request, mode);
    case 'flush':
      return ['flush', flushPath(request)];
    case 'verify':
      return ['verify', '-S', seedText(request.seed), '-f', placePath(request)];
  }
}

/**
 * The command line of a request in the node's mode (famfs reference 1).
 * Throws DriverError `invalid-argument` or `path-too-long` for a value that famfs would misread or that breaks it.
 */
export function commandLine(request: FamfsRequest, mode: FamfsMode): CommandLine {
  if (request.name === 'mkfs') return { program: 'mkfs.famfs', args: mkfsArguments(request, mode) };
  return { program: 'famfs', args: famfsArguments(request, mode) };
}

/** Whether famfs mounts for this request (mkfs and fsck of a device do, for a while), and starts a daemon in fuse mode. */
export function makesMount(request: FamfsRequest): boolean {
  if (request.name === 'fsck') return request.device !== undefined;
  return request.name === 'mkfs' || request.name === 'mount' || request.name === 'dummy-mount';
}

/** The request in the words that begin every message about it. */
export function subjectOf(request: FamfsRequest): string {
  switch (request.name) {
    case 'mkfs':
      return `mkfs.famfs of ${request.device}`;
    case 'mount':
      return `famfs mount of ${request.device} on ${request.mountPoint}`;
    case 'dummy-mount':
      return `famfs dummy mount of ${request.device}`;
    case 'fsck':
      return `famfs fsck of ${request.device ?? request.mountPoint}`;
    case 'logplay':
      return `famfs logplay of ${request.mountPoint}`;
    case 'cp':
      return `famfs cp of ${request.source} to ${request.path} in ${request.mountPoint}`;
    default:
      return `famfs ${request.name} of ${request.path} in ${request.mountPoint}`;
  }
}
