// `sim set-up-node`: makes, on the host itself, the memory and the simulated node that `install` was asked for, and keeps
// what is there. Formatting is format-devices.ts.
import { existsSync, lstatSync, mkdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DriverError } from '../errors.ts';
import { acquireFileLock } from '../linux/file-lock.ts';
import { isTmpfs } from '../linux/file-system-type.ts';
import { runShortCommand } from '../linux/short-command.ts';
import { sizeText } from '../size-text.ts';
import { createDevice, openDevice, superblockPath } from './device.ts';
import { fileSystemOf, formatDevices } from './format-devices.ts';
import {
  type InstallDevice,
  type InstallOptions,
  mounterFlags,
  nodeDirectory,
  readInstallOptions,
} from './install-options.ts';
import { ownRuntimeProgram } from './install-runtime.ts';
import { ensureNode, type SimulatedNode } from './node.ts';

const lockPatienceMs = 240_000;
const formatPatienceMs = 10_000;
const formatPollMs = 100;

/**
 * Runs the command; `argv` is what follows `set-up-node`, `bundle` the path of this program.
 * @throws DriverError with a sentence for a person
 */
export async function runSetUpNode(argv: readonly string[], bundle: string): Promise<number> {
  const options = readInstallOptions(argv);
  const program = ownRuntimeProgram(bundle) ?? [process.execPath, bundle];
  makeMemoryDirectory(options.memory);
  mkdirSync(options.temporary, { recursive: true, mode: 0o700 });
  const devices = options.devices.filter(({ nodes }) => nodes?.includes(options.nodeName) ?? true);
  let node: SimulatedNode;
  // One lock for all nodes that see this memory.
  const lock = await acquireFileLock(path.join(options.memory, '.lock'), { timeoutMs: lockPatienceMs });
  try {
    for (const device of options.devices) makeMemory(options.memory, device);
    node = makeNode(options, devices, program);
    requirePassthrough(options, program);
    requirePrograms(node);
    await formatDevices(node, devices, options, say);
  } finally {
    lock.release();
  }
  await waitForFormat(devices, options);
  say(
    `The node ${options.nodeName} is ${node.root}: it sees ${devices.map(({ name }) => name).join(', ') || 'no device'}, and its famfs identity is ${readFileSync(node.systemUuidPath, 'utf8').trim()}.`,
  );
  say(`The mounter uses it with\n  ${mounterFlags(options).join('\n  ')}`);
  return 0;
}

/** Another node may be about to format: a mounter that finds the pool at its first look need not come back for it later. */
async function waitForFormat(
  devices: readonly InstallDevice[],
  { format, memory, nodeName }: InstallOptions,
): Promise<void> {
  if (format.by !== 'node' || format.node === nodeName) return;
  const isWithout = ({ name }: InstallDevice): boolean => fileSystemOf(path.join(memory, name)) === undefined;
  const endsAt = performance.now() + formatPatienceMs;
  while (devices.some(isWithout) && performance.now() < endsAt) await sleep(formatPollMs);
  const without = devices.filter(isWithout).map(({ name }) => name);
  if (without.length > 0)
    say(`${without.join(', ')} still carries no pool; ${format.node} makes it when it comes.`);
}

/** Others may write to /dev/shm: nothing there that somebody else could have made, or could change, is taken for memory. */
function makeMemoryDirectory(memory: string): void {
  mkdirSync(memory, { recursive: true, mode: 0o700 });
  const { uid, mode } = lstatSync(memory);
  if (!lstatSync(memory).isDirectory() || uid !== process.geteuid?.() || (mode & 0o022) !== 0) {
    throw new DriverError(
      'permission-missing',
      `${memory} is not a directory of root's that only root can write to; remove it, or choose another --memory.`,
    );
  }
  if (isTmpfs(memory)) return;
  throw new DriverError(
    'dependency-missing',
    `${memory} is not on tmpfs, so what is written there would not be memory. Choose another --memory, on a tmpfs of the host such as /dev/shm.`,
  );
}

function makeMemory(memory: string, { name, sizeBytes }: InstallDevice): void {
  const directory = path.join(memory, name);
  if (existsSync(path.join(directory, 'size'))) {
    const there = openDevice(directory).sizeBytes;
    const note =
      there === sizeBytes
        ? ''
        : `; it keeps its size of ${sizeText(there)}, although ${sizeText(sizeBytes)} are asked for`;
    say(`The memory of ${name} was already in ${directory}${note}.`);
    return;
  }
  createDevice(directory, sizeBytes);
  const { bsize, bavail } = statfsSync(memory, { bigint: true });
  const room = bsize * bavail;
  const note =
    room < sizeBytes ? `; no more than ${sizeText(room)} of it can be written, the room of that tmpfs` : '';
  say(`The memory of ${name}, ${sizeText(sizeBytes)}, is now in ${directory}${note}.`);
}

function makeNode(
  options: InstallOptions,
  devices: readonly InstallDevice[],
  program: readonly string[],
): SimulatedNode {
  const root = nodeDirectory(options);
  const node = ensureNode({
    root,
    program,
    presentation: 'fuse',
    temporaryDirectory: options.temporary,
    devices: devices.map(({ name }) => ({ name, devicePath: path.join(options.memory, name) })),
  });
  forgetFormerBoot(node);
  return node;
}

/** Notes about mounts and holds end with the mounts, when the machine starts anew. */
function forgetFormerBoot({ runDirectory }: SimulatedNode): void {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8');
  const note = path.join(runDirectory, 'boot-id');
  if (existsSync(note) && readFileSync(note, 'utf8') === boot) return;
  for (const name of ['mounts', 'holders'])
    rmSync(path.join(runDirectory, name), { recursive: true, force: true });
  writeFileSync(note, boot);
}

/** Tried in a process of its own, which keeps the mount that it takes to itself. */
function requirePassthrough(
  { memory, devices, temporary }: InstallOptions,
  [file = '', ...words]: readonly string[],
): void {
  const [device] = devices;
  if (device === undefined) return;
  const backing = superblockPath(openDevice(path.join(memory, device.name)));
  const { exitCode, stdout, stderr } = runShortCommand(file, [...words, 'probe', temporary, backing]);
  if (exitCode === 0) return;
  const hint = existsSync('/dev/fuse') ? '' : ' There is no /dev/fuse: load the module fuse.';
  throw new DriverError(
    'kernel-unsupported',
    `This node (Linux ${os.release()}) cannot show simulated memory: the simulator needs FUSE passthrough, of Linux 6.9 or newer with CONFIG_FUSE_PASSTHROUGH, and that fails here: ${(stdout + stderr).trim()}.${hint}`,
  );
}

/** The scripts of the node are started once, so that a host without what they need is told now. */
function requirePrograms({ binDirectory }: SimulatedNode): void {
  const program = path.join(binDirectory, 'famfs');
  let problem: string;
  try {
    const { exitCode, stderr } = runShortCommand(program, ['--help']);
    if (exitCode === 0) return;
    problem = `it ended with ${exitCode}: ${stderr.trim()}`;
  } catch (error) {
    problem = existsSync('/bin/sh') ? String(error) : 'the host has no /bin/sh';
  }
  throw new DriverError(
    'dependency-missing',
    `The simulated ${program} does not start on this node: ${problem}.`,
  );
}

function say(sentence: string): void {
  process.stdout.write(`${sentence}\n`);
}
