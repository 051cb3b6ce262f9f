// What a person can say to the demo.
import { statSync } from 'node:fs';
import { parseArgs } from 'node:util';

export const demoHelp = `npm run demo [-- OPTIONS]

Puts files into a simulated shared-memory pool, mounts the pool on simulated nodes, publishes it into pod-like
processes through the driver's real CSI and mounter processes, maps every file there and checks it.
Works as root and, where the kernel allows user namespaces, for anybody. Leaves nothing behind.

  --claim SIZE  bring no files: claim a volume of this size (such as 1GiB), have it made, zeroed, written by one pod,
                read by others, deleted and claimed again; all of it lies in this machine's memory
  --data DIR    the files to put into memory (default: 256 MiB of made-up model weights)
  --nodes N     simulated nodes that see the memory, 1 to 8 (default 2)
  --pods N      pod-like processes, spread over the nodes, 1 to 64 (default 4)
  --mode MODE   how famfs is mounted: fuse (default) or standalone
  --verbose     show what the driver's processes log
  --help        this text`;

export interface DemoOptions {
  readonly dataDir: string | undefined;
  /** undefined: files are brought */
  readonly claimBytes: bigint | undefined;
  readonly nodes: number;
  readonly pods: number;
  readonly mode: 'fuse' | 'standalone';
  readonly verbose: boolean;
}

/** Reads the command line; all mistakes come in one Error. `undefined` when help was asked for. */
export function readDemoOptions(argv: readonly string[]): DemoOptions | undefined {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      data: { type: 'string' },
      claim: { type: 'string' },
      nodes: { type: 'string', default: '2' },
      pods: { type: 'string', default: '4' },
      mode: { type: 'string', default: 'fuse' },
      verbose: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const mistakes: string[] = [];
  const count = (name: string, text: string, most: number): number => {
    const number = Number(text);
    if (!/^\d+$/.test(text) || number < 1 || number > most)
      mistakes.push(`--${name} is a whole number from 1 to ${most}, not ${text}`);
    return number;
  };
  const nodes = count('nodes', values.nodes, 8);
  const pods = count('pods', values.pods, 64);
  const { mode, data } = values;
  if (mode !== 'fuse' && mode !== 'standalone') mistakes.push(`--mode is fuse or standalone, not ${mode}`);
  if (data !== undefined && !isDirectory(data))
    mistakes.push(`--data needs a folder that exists; ${data} is none`);
  const claimBytes = values.claim === undefined ? undefined : sizeOf(values.claim);
  if (values.claim !== undefined && claimBytes === undefined)
    mistakes.push(`--claim needs a size from 1 MiB to 1 TiB such as 512MiB or 1GiB, not ${values.claim}`);
  if (values.claim !== undefined && data !== undefined)
    mistakes.push('--claim brings no files; leave out --data');
  if (mistakes.length > 0) throw new Error(mistakes.join('\n'));
  return {
    dataDir: data,
    claimBytes,
    nodes,
    pods,
    mode: mode === 'standalone' ? mode : 'fuse',
    verbose: values.verbose,
  };
}

function sizeOf(text: string): bigint | undefined {
  const [, digits = '', unit = ''] = /^(\d{1,6})(MiB|GiB)$/.exec(text) ?? [];
  const shift = { MiB: 20n, GiB: 30n }[unit];
  const bytes = shift === undefined ? 0n : BigInt(digits) << shift;
  return bytes >= 1n << 20n && bytes <= 1n << 40n ? bytes : undefined;
}

function isDirectory(folder: string): boolean {
  return statSync(folder, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
