// The command line of `famfs_fused`: as the real one (famfs reference 5.1), with a few options of the simulator's
// own. Pure; both who starts the daemon and the daemon itself use it.
import { DriverError } from '../errors.ts';

export interface DaemonArguments {
  /** The device's path: what the mount table shows as source, and by whose last part the node knows the device. */
  readonly source: string;
  readonly mountPoint: string;
  readonly shadow: string;
  readonly timeoutSeconds: number;
  readonly allowOther: boolean;
  readonly defaultPermissions: boolean;
  readonly mode: 'fuse' | 'standalone';
  /** Where to write the one line that says how the start went; null when started by hand. */
  readonly readyFd: number | null;
}

/** The arguments after the program's name. A comma in a path breaks them, as it does with famfs. */
export function encodeDaemonArguments(daemon: DaemonArguments): string[] {
  const options = [
    `daxdev=${daemon.source}`,
    `shadow=${daemon.shadow}`,
    `fsname=${daemon.source}`,
    `timeout=${daemon.timeoutSeconds.toFixed(6)}`,
    ...(daemon.allowOther ? ['allow_other'] : []),
    ...(daemon.defaultPermissions ? ['default_permissions'] : []),
    ...(daemon.mode === 'standalone' ? ['standalone'] : []),
    ...(daemon.readyFd === null ? [] : [`ready_fd=${daemon.readyFd}`]),
  ];
  return ['-o', options.join(','), daemon.mountPoint];
}

/** What the daemon shows as its command line: the real one's arguments, without the simulator's own. */
export function daemonTitle(daemon: DaemonArguments): string {
  return [daemon.source, ...encodeDaemonArguments({ ...daemon, mode: 'fuse', readyFd: null })].join(' ');
}

/** Reads the arguments. Throws `invalid-argument` for anything that the real daemon would not start with either. */
export function parseDaemonArguments(argv: readonly string[]): DaemonArguments {
  const at = argv.indexOf('-o');
  const list = at === -1 ? undefined : argv[at + 1];
  const mountPoint = argv.find((word, index) => !word.startsWith('-') && index !== at + 1);
  if (list === undefined || mountPoint === undefined) {
    throw new DriverError(
      'invalid-argument',
      'famfs_fused: use -o daxdev=DEVICE,shadow=DIRECTORY MOUNTPOINT',
    );
  }
  const options = new Map(list.split(',').map(splitOption));
  const source = options.get('daxdev');
  const shadow = options.get('shadow');
  if (source === undefined || shadow === undefined) {
    throw new DriverError('invalid-argument', 'famfs_fused: the options daxdev= and shadow= are needed');
  }
  for (const key of options.keys()) {
    if (!knownOptions.has(key))
      throw new DriverError('invalid-argument', `famfs_fused: unknown option '${key}'`);
  }
  const readyFd = options.get('ready_fd');
  return {
    source,
    shadow,
    mountPoint,
    timeoutSeconds: Number(options.get('timeout') ?? defaultTimeoutSeconds),
    allowOther: options.has('allow_other'),
    defaultPermissions: options.has('default_permissions'),
    mode: options.has('standalone') ? 'standalone' : 'fuse',
    readyFd: readyFd === undefined ? null : Number(readyFd),
  };
}

/** Attributes and names are cached for a year. */
export const defaultTimeoutSeconds = 31_536_000;

const knownOptions = new Set([
  'daxdev',
  'shadow',
  'fsname',
  'timeout',
  'allow_other',
  'default_permissions',
  'standalone',
  'ready_fd',
]);

function splitOption(option: string): [string, string] {
  const at = option.indexOf('=');
  return at === -1 ? [option, ''] : [option.slice(0, at), option.slice(at + 1)];
}
