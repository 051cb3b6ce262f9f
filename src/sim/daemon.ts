// The process behind a simulated mount (`famfs_fused`): takes hold of the device, mounts, serves, and goes when the
// mount does. Knows processes and mounts; what the mount answers is server.ts, how views look is views.ts.
import { randomBytes } from 'node:crypto';
import { closeSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import path from 'node:path';
import { DriverError } from '../errors.ts';
import { afterEffect, atEffect, beforeEffect, nameEffectRole } from '../linux/effect-point.ts';
import { readMountTable } from '../linux/mount-table.ts';
import { mountFlags, unmount } from '../linux/mounts.ts';
import { errorCodeOf } from '../linux/syscall-error.ts';
import { type DaemonArguments, daemonTitle, parseDaemonArguments } from './daemon-arguments.ts';
import { serveDaemonSocket } from './daemon-socket.ts';
import { superblockPath } from './device.ts';
import { type DeviceHold, tryHoldDevice } from './device-holder.ts';
import {
  checkPassthrough,
  closeBacking,
  type FuseConnection,
  mountFuse,
  openBacking,
  serveFuse,
} from './fuse-connection.ts';
import { findNodeDevice, type NodeDevice, openNode, type SimulatedNode } from './node.ts';
import { FuseServer } from './server.ts';
import { removeMountRecord, type SimulatedMount, writeMountRecord } from './simulated-mount.ts';
import type { DaemonReport } from './spawn-daemon.ts';
import { bindView, createView, isViewMounted, removeView } from './views.ts';

/** How often a daemon that serves views looks whether its mount is still there. */
const viewWatchMs = 100;

/** Everything that one daemon works with. */
interface DaemonContext {
  readonly node: SimulatedNode;
  readonly device: NodeDevice;
  readonly args: DaemonArguments;
  readonly id: string;
}

/**
 * Runs a daemon until its mount is gone. `argv` is what follows `famfs_fused`. How the start went is one line on the
 * ready descriptor: a DaemonReport as JSON.
 */
export async function runDaemon(nodeRoot: string, argv: readonly string[]): Promise<void> {
  const args = parseDaemonArguments(argv);
  nameEffectRole(/\/famfs_dummy_[^/]*$/.test(args.mountPoint) ? 'dummy daemon' : 'daemon');
  process.umask(0);
  nameProcess(args);
  try {
    const context = makeContext(openNode(nodeRoot), args);
    await serveMount(context);
  } catch (error) {
    const { reason, message } = DriverError.from(error);
    report(args, { reason, message });
    console.error(message);
    process.exitCode = 1;
  }
}

/** ps and /proc show the real daemon's name and command line; in standalone mode there is no famfs_fused at all. */
function nameProcess(args: DaemonArguments): void {
  process.title =
    args.mode === 'fuse' ? daemonTitle(args) : `famfs-simulator ${args.source} ${args.mountPoint}`;
  writeFileSync('/proc/self/comm', args.mode === 'fuse' ? 'famfs_fused' : 'famfs-simulator');
}

function makeContext(node: SimulatedNode, args: DaemonArguments): DaemonContext {
  const device = findNodeDevice(node, args.source);
  if (device === undefined) {
    throw new DriverError('device-unsuitable', `the node ${node.root} has no device ${args.source}`);
  }
  return { node, device, args, id: randomBytes(8).toString('hex') };
}

async function serveMount(context: DaemonContext): Promise<void> {
  const { node, device, args } = context;
  const hold = atEffect('hold device', () => tryHoldDevice(node, device.name));
  if (hold === undefined && args.mode === 'standalone') throw heldElsewhere(args);
  const connection = node.presentation === 'views' ? undefined : connect(context);
  if (connection !== undefined) return await serveOverFuse(context, connection, hold);
  if (hold === undefined) throw heldElsewhere(args);
  await serveViews(context, hold);
}

function heldElsewhere(args: DaemonArguments): DriverError {
  return new DriverError('pool-held-elsewhere', `${args.source} is held by another mount on this node`);
}

/**
 * A FUSE mount that can pass data through, or undefined where the kernel or the caller's rights lack that and the
 * node may show views instead. Tried anew by every daemon: the answer depends on namespaces as much as on the kernel.
 */
function connect({ node, device, args }: DaemonContext): FuseConnection | undefined {
  let connection: FuseConnection | undefined;
  try {
    beforeEffect('mount');
    connection = mountFuse({
      source: args.source,
      target: args.mountPoint,
      type: args.mode === 'fuse' ? 'fuse' : 'fuse.famfs',
      flags: flagsOf(args),
      allowOther: args.allowOther,
      defaultPermissions: args.defaultPermissions,
      serverLocks: args.mode === 'fuse',
    });
    afterEffect('mount');
    checkPassthrough(connection, superblockPath(device.device));
    return connection;
  } catch (error) {
    if (connection !== undefined) {
      unmount(args.mountPoint, { detach: true });
      closeSync(connection.fd);
    }
    if (node.presentation === 'fuse') throw cannotPassThrough(error);
    return undefined;
  }
}

function cannotPassThrough(cause: unknown): DriverError {
  const reason =
    errorCodeOf(cause) === 'EPERM' || errorCodeOf(cause) === 'EACCES'
      ? 'permission-missing'
      : 'famfs-unsupported';
  const message = cause instanceof Error ? cause.message : String(cause);
  return new DriverError(reason, `a FUSE mount with passthrough is not possible here: ${message}`, { cause });
}

function flagsOf(args: DaemonArguments): number {
  const common = mountFlags.nosuid | mountFlags.nodev;
  return args.mode === 'fuse' ? common : common | mountFlags.noexec | mountFlags.noatime;
}

async function serveOverFuse(
  context: DaemonContext,
  connection: FuseConnection,
  hold: DeviceHold | undefined,
): Promise<void> {
  const { node, args } = context;
  const mount = describeMount(context, {
    presentation: 'fuse',
    viewDirectory: null,
    broken: hold === undefined,
  });
  hold?.note(mount);
  const server = new FuseServer({
    mode: args.mode,
    nodeRoot: node.root,
    device: context.device.device,
    shadow: args.shadow,
    timeoutSeconds: args.timeoutSeconds,
    broken: mount.broken,
    backingFiles: {
      open: (fd) => atEffect('open backing', () => openBacking(connection, fd)),
      close: (id) => atEffect('close backing', () => closeBacking(connection, id)),
    },
    crash: endAtOnce,
  });
  atEffect('write record', () => writeMountRecord(node, mount));
  // process.exit() would wait for the outstanding read for ever; the real daemon detaches its mount and goes as well.
  onTermination(() => {
    detachQuietly(args.mountPoint);
    forget(context);
    endAtOnce();
  });
  beforeEffect('listen');
  const served = serveFuse(connection, (request) => server.handle(request));
  const socket = await serveDaemonSocket(mount).catch((error: unknown) => {
    report(args, {
      reason: 'command-failed',
      message: `the daemon cannot listen on its socket: ${String(error)}`,
    });
    detachQuietly(args.mountPoint);
    forget(context);
    return endAtOnce();
  });
  afterEffect('listen');
  atEffect('report', () => report(args, { mount }));
  // Node would do it at its exit, which a daemon that is killed does not have.
  flushCompileCache();
  try {
    await served;
  } catch (error) {
    console.error('the mount cannot be served any more:', error);
    detachQuietly(args.mountPoint);
    forget(context);
    endAtOnce();
  }
  atEffect('forget', () => forget(context));
  await socket.close();
  beforeEffect('exit');
}

async function serveViews(context: DaemonContext, hold: DeviceHold): Promise<void> {
  const { node, args, device, id } = context;
  const viewDirectory = createView(device.device, id);
  try {
    bindView(viewDirectory, args.mountPoint, flagsOf(args));
  } catch (error) {
    removeView(viewDirectory);
    throw cannotBind(error);
  }
  const mount = describeMount(context, { presentation: 'views', viewDirectory, broken: false });
  writeMountRecord(node, mount);
  let terminated = false;
  onTermination(() => {
    detachQuietly(args.mountPoint);
    terminated = true;
  });
  const socket = await serveDaemonSocket(mount);
  report(args, { mount });
  // Binds of it outlive a termination, but show nothing from then on, as those of a dead daemon.
  while (!terminated && isViewMounted(id)) await new Promise((resolve) => setTimeout(resolve, viewWatchMs));
  removeView(viewDirectory);
  forget(context);
  await socket.close();
  hold.release();
}

function cannotBind(cause: unknown): DriverError {
  const message = cause instanceof Error ? cause.message : String(cause);
  return new DriverError(
    'permission-missing',
    `the simulator can mount neither by FUSE nor by a bind: ${message}`,
    { cause },
  );
}

/** The line of our own mount: the last one at the mount point. Never a stat of it, which only we could answer. */
function describeMount(
  { node, device, args, id }: DaemonContext,
  shown: Pick<SimulatedMount, 'presentation' | 'viewDirectory' | 'broken'>,
): SimulatedMount {
  const entry = readMountTable().findLast(({ mountPoint }) => mountPoint === args.mountPoint);
  if (entry === undefined) throw new DriverError('internal', `${args.mountPoint} is not in the mount table`);
  return {
    id,
    nodeRoot: node.root,
    deviceName: device.name,
    source: args.source,
    deviceDirectory: device.device.directory,
    mode: args.mode,
    mountPoint: args.mountPoint,
    shadow: args.shadow,
    pid: process.pid,
    deviceNumber: `${entry.deviceMajor}:${entry.deviceMinor}`,
    ...shown,
  };
}

/** What a daemon leaves behind: of fuse mode the shadow tree, of standalone mode nothing. */
function forget({ node, args, id }: DaemonContext): void {
  removeMountRecord(node, { id });
  if (args.mode === 'standalone' && path.dirname(args.shadow) === node.runDirectory) {
    rmSync(args.shadow, { recursive: true, force: true });
  }
}

function report(args: DaemonArguments, message: DaemonReport): void {
  if (args.readyFd === null) return;
  try {
    writeSync(args.readyFd, `${JSON.stringify(message)}\n`);
  } catch {
    // Whoever started us has gone, or has heard already.
  }
}

function onTermination(stop: () => void): void {
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

function detachQuietly(mountPoint: string): void {
  try {
    unmount(mountPoint, { detach: true });
  } catch (error) {
    // EINVAL: somebody has unmounted it already.
    if (errorCodeOf(error) !== 'EINVAL') console.error(error);
  }
}

function endAtOnce(): never {
  process.kill(process.pid, 'SIGKILL');
  throw new Error('unreachable: SIGKILL does not return');
}
