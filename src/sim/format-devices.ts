// Makes file systems on simulated devices that have none, for a try-out that shall have a pool at once, with the node's own
// programs. Who may is decided by install's options; whoever calls holds the lock of the memory.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DriverError } from '../errors.ts';
import { parseSuperblock } from '../famfs/superblock.ts';
import { runShortCommand } from '../linux/short-command.ts';
import { openDevice, readSuperblockBytes } from './device.ts';
import type { InstallDevice, InstallOptions } from './install-options.ts';
import type { SimulatedNode } from './node.ts';
import { hasSuperblockMagic } from './pool-identity.ts';
import { fillSeeded } from './seeded-bytes.ts';

/** Where the sample files lie in a pool; a static PersistentVolume can name it. */
export const samplesDirectory = 'samples';
const formatAttempts = 10;
const formatPauseMs = 500;
const sampleBytes = 4 * 1024 * 1024;

/**
 * Formats what this node is to format, and finishes sample files that a former run did not.
 * @param devices those that the node sees
 * @param say is told a sentence about each
 * @throws DriverError `command-failed` with what a program of the node said
 */
export async function formatDevices(
  node: SimulatedNode,
  devices: readonly InstallDevice[],
  options: InstallOptions,
  say: (sentence: string) => void,
): Promise<void> {
  const { format, memory, nodeName, samples, temporary } = options;
  const isOurs = format.by === 'first' || (format.by === 'node' && format.node === nodeName);
  for (const { name } of devices) {
    const directory = path.join(memory, name);
    const pending = path.join(directory, 'samples-pending');
    const uuid = fileSystemOf(directory);
    if (uuid !== undefined) say(`${name} carries a pool: ${uuid}.`);
    else if (isOurs) {
      if (samples) writeFileSync(pending, nodeName);
      await formatDevice(node, name);
      say(`${name} carries a new pool, whose master is this node: ${fileSystemOf(directory)}.`);
    } else say(`${name} carries no pool.`);
    if (!existsSync(pending) || readFileSync(pending, 'utf8') !== nodeName) continue;
    addSamples(node, name, temporary);
    rmSync(pending);
    say(`Sample files are in its directory ${samplesDirectory}.`);
  }
}

/** A mounter that runs already may be looking at the device, which keeps it for a moment. */
async function formatDevice(node: SimulatedNode, name: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      run(node, 'mkfs.famfs', '--fuse', path.join(node.devDirectory, name));
      return;
    } catch (error) {
      if (attempt === formatAttempts) throw error;
      await sleep(formatPauseMs);
    }
  }
}

/** What a memory carries: a UUID, or what is wrong with it; undefined when nothing there claims to be a file system. */
export function fileSystemOf(directory: string): string | undefined {
  const bytes = readSuperblockBytes(openDevice(directory));
  if (!hasSuperblockMagic(bytes)) return undefined;
  try {
    return parseSuperblock(bytes).fileSystemUuid;
  } catch (error) {
    if (error instanceof DriverError) return `that cannot be read: ${error.message}`;
    throw error;
  }
}

function addSamples(node: SimulatedNode, device: string, temporary: string): void {
  const scratch = mkdtempSync(path.join(temporary, 'famfs-samples-'));
  const mountPoint = path.join(scratch, 'famfs');
  mkdirSync(mountPoint);
  try {
    run(node, 'famfs', 'mount', '--fuse', path.join(node.devDirectory, device), mountPoint);
    copySamples(node, mountPoint, scratch);
  } finally {
    // What it says is of no matter when nothing is mounted; else the directory cannot be removed, which is an error.
    runShortCommand('umount', [mountPoint]);
    rmdirSync(mountPoint);
    rmSync(scratch, { recursive: true });
  }
}

function copySamples(node: SimulatedNode, mountPoint: string, scratch: string): void {
  const folder = path.join(mountPoint, samplesDirectory);
  if (!existsSync(folder)) run(node, 'famfs', 'mkdir', folder);
  for (const [name, bytes] of sampleFiles()) {
    if (existsSync(path.join(folder, name))) continue;
    const source = path.join(scratch, name);
    writeFileSync(source, bytes, { mode: 0o644 });
    run(node, 'famfs', 'cp', source, path.join(folder, name));
  }
}

function sampleFiles(): [string, Uint8Array][] {
  const random = Buffer.alloc(sampleBytes);
  fillSeeded(random, 1n, 0);
  return [
    ['hello.txt', Buffer.from('Hello from simulated shared memory.\n')],
    ['random.bin', random],
  ];
}

function run(node: SimulatedNode, program: string, ...args: string[]): void {
  const { exitCode, signal, stdout, stderr } = runShortCommand(path.join(node.binDirectory, program), args);
  if (exitCode === 0) return;
  const said = (stderr.trim() || stdout.trim()).split('\n').slice(-3).join(' ');
  throw new DriverError(
    'command-failed',
    `${program} ${args.join(' ')} ended with ${exitCode ?? signal}: ${said}`,
  );
}
