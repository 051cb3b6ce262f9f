// What `install` and `set-up-node` are told: the same options for both, so that the one can hand them to the other. Pure.
import { DriverError } from '../errors.ts';
import { sizeText } from '../size-text.ts';
import { getOptions, type OptionTable } from './get-options.ts';
import { sizeOf } from './size-text.ts';

/** A simulated device: memory of its own, shown to some nodes or all. */
export interface InstallDevice {
  /** Name of the memory, and of the device on each node that sees it: `dax0.0`. */
  readonly name: string;
  readonly sizeBytes: bigint;
  /** The nodes that see it; undefined: every node. */
  readonly nodes: readonly string[] | undefined;
}

/** All paths are the host's, absolute and without trailing slash. */
export interface InstallOptions {
  readonly nodeName: string;
  /** Where programs and simulated nodes are kept. */
  readonly directory: string;
  /** Where the memory is: on tmpfs. */
  readonly memory: string;
  /** What stands for /tmp for the simulated famfs. */
  readonly temporary: string;
  readonly devices: readonly InstallDevice[];
  /** Who makes a file system on a device that has none: nobody, whoever comes first, or the node of that name. */
  readonly format:
    | { readonly by: 'nobody' }
    | { readonly by: 'first' }
    | { readonly by: 'node'; readonly node: string };
  readonly samples: boolean;
  /** A process in the namespaces of the host, as numbered here. */
  readonly hostPid: number;
}

/** The options of both commands, for the help. */
export const installUsage = `  install --node-name NAME [--directory DIR] [--memory DIR] [--temporary DIR] [--device NAME=SIZE[@NODE+NODE]]...
          [--format none|first|NODE] [--samples] [--host-pid PID]
      Puts the simulator onto the host that process PID belongs to (default 1), from a container that shares its process
      ids: copies a runtime that needs nothing of the host, then does there what set-up-node does. Can be repeated; keeps
      what is there, and replaces older programs. Prints the options that point the mounter to the node.

  set-up-node (the same options)
      Makes memory (--memory, on tmpfs; default /dev/shm/famfs-csi-sim) and the simulated node NAME
      (--directory, default /var/lib/famfs-csi/sim), and with --format a file system on each device of the node that
      has none; --samples puts files into it. Nodes that see one memory directory share the memory.
      --device is dax0.0=8GiB unless given; @ names the nodes that see it. --temporary (default /run/famfs/tmp) stands for
      the node's /tmp.
`;

const table: OptionTable = {
  short: '',
  long: [
    ...['node-name', 'directory', 'memory', 'temporary', 'device', 'format', 'host-pid'].map((name) => ({
      name,
      takesValue: true,
      key: name,
    })),
    { name: 'samples', takesValue: false, key: 'samples' },
  ],
};

/** Names that can be a directory, an option value and a part of `NAME@NODE+NODE`: those of Kubernetes nodes. */
const nodeNamePattern = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;
const pathPattern = /^(\/[\w.-]+)+$/;
const smallestDeviceBytes = 4n << 30n;

/**
 * Reads the options of a call.
 * @throws DriverError `config-invalid` that names the option and what it wants
 */
export function readInstallOptions(argv: readonly string[]): InstallOptions {
  const { options, operands } = getOptions('famfs-csi sim', argv, table);
  const values = new Map<string, string[]>();
  for (const { key, value = 'true', message } of options) {
    if (message !== undefined) throw invalid(message);
    values.set(key, [...(values.get(key) ?? []), value]);
  }
  if (operands.length > 0) throw invalid(`there is no argument ${operands[0]}`);
  const last = (name: string, fallback: string): string => values.get(name)?.at(-1) ?? fallback;
  const devices = (values.get('device') ?? ['dax0.0=8GiB']).map(parseDevice);
  const twice = devices.find(({ name }, index) => devices.findIndex((each) => each.name === name) !== index);
  if (twice !== undefined) throw invalid(`--device ${twice.name} is given twice`);
  return {
    nodeName: nodeNameOf('--node-name', last('node-name', '')),
    directory: pathOf('--directory', last('directory', '/var/lib/famfs-csi/sim')),
    memory: pathOf('--memory', last('memory', '/dev/shm/famfs-csi-sim')),
    temporary: pathOf('--temporary', last('temporary', '/run/famfs/tmp')),
    devices,
    format: formatOf(last('format', 'none')),
    samples: values.has('samples'),
    hostPid: pidOf(last('host-pid', '1')),
  };
}

/** The options as `readInstallOptions` takes them. */
export function installArguments(options: InstallOptions): string[] {
  const { format } = options;
  return [
    `--node-name=${options.nodeName}`,
    `--directory=${options.directory}`,
    `--memory=${options.memory}`,
    `--temporary=${options.temporary}`,
    ...options.devices.map(({ name, sizeBytes, nodes }) => {
      return `--device=${name}=${sizeBytes}${nodes === undefined ? '' : `@${nodes.join('+')}`}`;
    }),
    `--format=${format.by === 'node' ? format.node : format.by === 'first' ? 'first' : 'none'}`,
    ...(options.samples ? ['--samples'] : []),
    `--host-pid=${options.hostPid}`,
  ];
}

/** The directory of the simulated node. */
export function nodeDirectory({
  directory,
  nodeName,
}: Pick<InstallOptions, 'directory' | 'nodeName'>): string {
  return `${directory}/nodes/${nodeName}`;
}

/** The flags by which `famfs-csi mounter` uses the node. */
export function mounterFlags(options: InstallOptions): string[] {
  const node = nodeDirectory(options);
  return [
    '--famfs-location=host',
    `--famfs-bin-dir=${node}/bin`,
    `--dev-root=${node}/dev`,
    `--sysfs-root=${node}/sys`,
    `--system-uuid-path=${node}/opt/famfs/system_uuid`,
    `--famfs-tmp-dir=${options.temporary}`,
  ];
}

function parseDevice(text: string): InstallDevice {
  const match = /^(dax\d{1,6}\.\d{1,6})=([^@]+)(?:@(.+))?$/.exec(text);
  const sizeBytes = sizeOf(match?.[2] ?? '');
  if (match?.[1] === undefined || sizeBytes === undefined)
    throw invalid(`--device is NAME=SIZE or NAME=SIZE@NODE+NODE, such as dax0.0=8GiB, not ${text}`);
  if (sizeBytes < smallestDeviceBytes)
    throw invalid(`--device ${match[1]} has ${sizeText(sizeBytes)}; famfs takes no less than 4GiB`);
  const nodes = match[3]?.split('+').map((name) => nodeNameOf('--device', name));
  return { name: match[1], sizeBytes, nodes };
}

function formatOf(text: string): InstallOptions['format'] {
  if (text === 'none') return { by: 'nobody' };
  return text === 'first' ? { by: 'first' } : { by: 'node', node: nodeNameOf('--format', text) };
}

function nodeNameOf(option: string, text: string): string {
  if (nodeNamePattern.test(text)) return text;
  throw invalid(
    `${option} needs the name of a node (lower-case letters, digits, dots, dashes), not '${text}'`,
  );
}

/** Plain ones only: they end up in a script, in the mount table, and in the famfs commands of the mounter. */
function pathOf(option: string, text: string): string {
  const isPlain = pathPattern.test(text) && !text.split('/').some((part) => part === '.' || part === '..');
  if (isPlain) return text;
  throw invalid(
    `${option} needs an absolute path of letters, digits, dots, dashes and underscores, not ${text}`,
  );
}

function pidOf(text: string): number {
  const pid = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(pid) && pid > 0) return pid;
  throw invalid(`--host-pid needs the number of a process, not ${text}`);
}

function invalid(message: string): DriverError {
  return new DriverError('config-invalid', message);
}
