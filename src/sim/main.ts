// Entry of the simulator: the famfs programs of a simulated node, and the makers of devices and nodes. Knows how
// each is called, not what it does.
import { realpathSync } from 'node:fs';
import { DriverError } from '../errors.ts';
import { beforeEffect, nameEffectRole } from '../linux/effect-point.ts';
import { getOptions, type OptionTable } from './get-options.ts';
import { installUsage } from './install-options.ts';
import { sizeOf } from './size-text.ts';

const help = `Simulated famfs: a stand-in for the famfs programs on a machine without shared (CXL) memory.

  create-device DIR --size SIZE
      Makes a device whose memory is all zero. DIR should lie on tmpfs (for example below /dev/shm):
      what is written there is memory. SIZE: bytes, or a number with MiB, GiB or TiB; famfs wants 4GiB.

  create-node DIR --device DEVICE=NAME [--device ...] [--mode auto|fuse|views] [--system-uuid UUID]
              [--tmp DIR]
      Makes a node that sees the devices under those names, for example
      --device /dev/shm/famfs-sim/memory=dax0.0. Several nodes may see one device.
      --mode says how mounts are shown: fuse (needs root and a kernel with FUSE passthrough), views
      (hard links, bind-mounted), or auto, which tries them in this order. Programs are in DIR/bin. --tmp names an existing
      directory that stands for the node's /tmp, so that several nodes do not share one.

${installUsage}
  --node DIR famfs|mkfs.famfs|famfs_fused ARGS...
      Runs one of the programs on the node DIR; the scripts in DIR/bin do this.

  --node DIR simulator unplug|plug NAME
      Takes a device of the node DIR away, and brings it back, as hot-plug does.

Environment of the programs: FAMFS_SIM_PATIENCE, seconds that stand for the 51 for which famfs tries to
unmount after a failed mount (default 0.5); FAMFS_SIM_TMP, where it leaves its directories (default: the node's, or /tmp).
`;
const deviceTable: OptionTable = { short: 'h', long: [option('size'), flag('help')] };
const nodeTable: OptionTable = {
  short: 'h',
  long: [option('device'), option('mode'), option('system-uuid'), option('tmp'), flag('help')],
};
const misuse = 2;

function option(name: string): OptionTable['long'][number] {
  return { name, takesValue: true, key: name };
}

function flag(name: string): OptionTable['long'][number] {
  return { name, takesValue: false, key: name };
}

/** Runs one call of the simulator. Returns its exit status. */
export async function main(argv: readonly string[]): Promise<number> {
  const [first = '', second = '', tool = '', ...rest] = argv;
  if (first === '--node' || first === '--node-root') return await runTool(second, tool, rest);
  try {
    if (first === 'create-device') return await createDeviceFrom(argv.slice(1));
    if (first === 'create-node') return await createNodeFrom(argv.slice(1));
    if (first === 'install') return await install(argv.slice(1));
    if (first === 'set-up-node') return await setUpNode(argv.slice(1));
    if (first === 'probe') return await probe(second, tool);
  } catch (error) {
    if (!(error instanceof Error) || !('reason' in error)) throw error;
    return misused(error.message);
  }
  if (first === '--help' || first === '-h' || first === 'help') {
    process.stdout.write(help);
    return 0;
  }
  return misused(first === '' ? 'a command is missing' : `there is no command ${first}`);
}

async function install(argv: readonly string[]): Promise<number> {
  const { runInstall, writeTerminationMessage } = await import('./install-command.ts');
  return await orSentence('install', () => runInstall(argv, ownPath()), writeTerminationMessage);
}

async function setUpNode(argv: readonly string[]): Promise<number> {
  const { runSetUpNode } = await import('./set-up-node.ts');
  return await orSentence('set-up-node', () => runSetUpNode(argv, ownPath()));
}

/** A failure of these is about the machine: the usage would only hide what it says. */
async function orSentence(
  command: string,
  work: () => Promise<number>,
  onFailure: (message: string) => void = () => undefined,
): Promise<number> {
  try {
    return await work();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (error instanceof DriverError && error.reason === 'config-invalid') return misused(message);
    onFailure(message);
    process.stderr.write(`famfs simulator: ${command} failed: ${message}\n`);
    return 1;
  }
}

/** Part of set-up-node: whether the kernel passes FUSE through to a file, tried out of everybody's sight. */
async function probe(directory: string, file: string): Promise<number> {
  const { unshareMounts } = await import('../linux/mounts.ts');
  const { passthroughProblem } = await import('./fuse-connection.ts');
  unshareMounts();
  const problem = passthroughProblem(directory, file);
  if (problem === undefined) return 0;
  process.stdout.write(`${problem}\n`);
  return 1;
}

async function runTool(nodeRoot: string, tool: string, argv: readonly string[]): Promise<number> {
  if (tool === 'famfs_fused') {
    const { runDaemon } = await import('./daemon.ts');
    await runDaemon(nodeRoot, argv);
    return Number(process.exitCode ?? 0);
  }
  if (tool === 'simulator') return await plugDevice(nodeRoot, argv);
  if (tool !== 'famfs' && tool !== 'mkfs.famfs') return misused(`there is no program ${tool} on a node`);
  const { runFamfs, runMkfs } = await import('./famfs-command.ts');
  const run = tool === 'famfs' ? runFamfs : runMkfs;
  nameEffectRole(tool === 'famfs' ? `famfs ${argv[0]}` : tool);
  const onComplaint = (text: string): void => {
    process.stderr.write(text);
  };
  const outcome = await run(argv, { nodeRoot, onComplaint });
  beforeEffect('exit');
  process.stdout.write(outcome.stdout);
  if (outcome.signal !== undefined) process.kill(process.pid, outcome.signal);
  return outcome.exit;
}

async function plugDevice(
  nodeRoot: string,
  [verb = '', name = '', ...rest]: readonly string[],
): Promise<number> {
  if ((verb !== 'plug' && verb !== 'unplug') || name === '' || rest.length > 0)
    return misused('simulator takes plug or unplug, and the name of a device');
  const { hideNodeDevice, openNode } = await import('./node.ts');
  return await orSentence(verb, async () => {
    hideNodeDevice(openNode(nodeRoot), name, verb === 'unplug');
    return 0;
  });
}

async function createDeviceFrom(argv: readonly string[]): Promise<number> {
  const { options, operands } = getOptions('create-device', argv, deviceTable);
  const directory = operands[0];
  let size: bigint | undefined;
  for (const { key, value, message } of options) {
    if (message !== undefined) return misused(message);
    if (key === 'h' || key === 'help') return printHelp();
    if (key === 'size') size = sizeOf(value ?? '');
  }
  if (directory === undefined || operands.length > 1) return misused('create-device takes one directory');
  if (size === undefined) return misused('create-device needs --size, such as --size 8GiB');
  const { createDevice } = await import('./device.ts');
  createDevice(directory, size);
  return 0;
}

async function createNodeFrom(argv: readonly string[]): Promise<number> {
  const { options, operands } = getOptions('create-node', argv, nodeTable);
  const devices: { devicePath: string; name: string }[] = [];
  let presentation: 'auto' | 'fuse' | 'views' = 'auto';
  let systemUuid: string | undefined;
  let temporaryDirectory: string | undefined;
  for (const { key, value = '', message } of options) {
    if (message !== undefined) return misused(message);
    if (key === 'h' || key === 'help') return printHelp();
    if (key === 'system-uuid') systemUuid = value;
    if (key === 'tmp') temporaryDirectory = value;
    if (key === 'mode') {
      if (value !== 'auto' && value !== 'fuse' && value !== 'views') return misused(`no mode ${value}`);
      presentation = value;
    }
    if (key === 'device') {
      const equals = value.lastIndexOf('=');
      if (equals <= 0) return misused(`--device is DIR=NAME, not ${value}`);
      devices.push({ devicePath: value.slice(0, equals), name: value.slice(equals + 1) });
    }
  }
  const root = operands[0];
  if (root === undefined || operands.length > 1) return misused('create-node takes one directory');
  const { createNode } = await import('./node.ts');
  const identity = systemUuid === undefined ? {} : { systemUuid };
  const temporary = temporaryDirectory === undefined ? {} : { temporaryDirectory };
  createNode({ root, devices, presentation, ...identity, ...temporary, program: ownProgram() });
  return 0;
}

/** How this very program was started: a bundle is its own program, the sources are Node and this file. */
function ownProgram(): string[] {
  return [process.execPath, ownPath()];
}

function ownPath(): string {
  return realpathSync(process.argv[1] ?? import.meta.filename);
}

function printHelp(): number {
  process.stdout.write(help);
  return 0;
}

function misused(message: string): number {
  process.stderr.write(`famfs simulator: ${message}\n\n${help}`);
  return misuse;
}

// Not awaited at the top level, which a bundle (CommonJS) does not have.
if (import.meta.main) {
  void main(process.argv.slice(2)).then((status) => {
    process.exitCode = status;
  });
}
