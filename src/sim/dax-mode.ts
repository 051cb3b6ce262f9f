// Whether the kernel driver of a device suits famfs, as famfs judges it from sysfs, and the switch that -M makes.
// Must not know which command asks.
import path from 'node:path';
import type { CommandContext } from './command-context.ts';
import { findNodeDevice, setDeviceDriver } from './node.ts';

const noSuchDevice = -19;

/** What a command says of a device in the wrong mode, and whether it may switch it. */
export interface DaxModeRequest {
  readonly devicePath: string;
  /** `famfs mount`, `famfs fsck` or `mkfs.famfs`: how the message names the command. */
  readonly command: string;
  readonly maySwitch: boolean;
}

/** Whether famfs believes that the kernel needs the driver fsdev_dax; on older ones it maps the device itself. */
export function isFamfsDriverRequired(context: CommandContext): boolean {
  return !context.kernelRelease.startsWith('2.6.');
}

/** Checks the driver of a device, switching it where that is allowed. Returns 0 or famfs's result after a message. */
export function checkDaxMode(context: CommandContext, request: DaxModeRequest): number {
  const { devicePath, command } = request;
  const name = path.basename(devicePath);
  const device = findNodeDevice(context.node, devicePath);
  if (device === undefined) {
    context.complain(
      `famfs_get_daxdev_mode: dax device '${name}' not found in sysfs (/sys/bus/dax/devices/${name})`,
    );
    context.complain(`${command}: dax device ${devicePath} not found`);
    return noSuchDevice;
  }
  if (device.driver === 'fsdev_dax') return 0;
  if (device.driver !== null && device.driver !== 'device_dax') {
    context.complain(`famfs_get_daxdev_mode: unrecognized driver '${device.driver}' for '${devicePath}'`);
    context.complain(`${command}: dax device ${devicePath} not found`);
    return noSuchDevice;
  }
  if (device.driver === null) {
    context.complain(`famfs_get_daxdev_mode: '${devicePath}' exists but has no driver bound`);
  }
  if (request.maySwitch) {
    setDeviceDriver(context.node, device.name, 'fsdev_dax');
    return 0;
  }
  const mode = device.driver === null ? 'unbound' : 'devdax';
  context.complain('');
  context.complain(`${command}: ${devicePath} is in ${mode} mode; famfs mode is required on kernel 7.0+.`);
  context.complain('Re-run with --set-daxmode to switch drivers:');
  context.complain(`  sudo ${command} --set-daxmode ${devicePath} ...`);
  context.complain('Warning: mode switching may take significant time on large devices.');
  context.complain('The device will remain in famfs mode after the operation.');
  context.complain('');
  return -1;
}
