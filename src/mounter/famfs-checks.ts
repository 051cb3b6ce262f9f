// What famfs's own programs and devices on this node are like. Runs `famfs --help` and reads sysfs; touches no device.
import { accessSync, constants, existsSync, lstatSync } from 'node:fs';
import path from 'node:path';
import { type CommandLocation, locateCommand, pathSeenFromHere } from '../famfs/command-location.ts';
import { readSystemUuid } from '../famfs/system-uuid.ts';
import { runCommand } from '../linux/child-process.ts';
import { type DaxDevice, listDaxDevices } from '../linux/dax-devices.ts';
import { sizeText } from '../size-text.ts';
import { unsuitability } from './device-suitability.ts';
import { type NodeCheck, ok } from './node-check.ts';

const helpTimeoutMs = 20_000;
const neededCommands = ['mount', 'fsck', 'mkdir', 'creat', 'flush', 'logplay'];

/** Whether the program is where it should be, for a folder that this process sees. Runs nothing. */
export function programFileCheck(binDir: string): NodeCheck {
  const name = 'famfs-programs';
  try {
    accessSync(path.join(binDir, 'famfs'), constants.X_OK);
    return ok(name, `famfs is in ${binDir}.`);
  } catch {
    return {
      ...({ name, state: 'missing', reason: 'famfs-missing' } as const),
      found: `There is no famfs program in ${binDir}.`,
      why: 'Pools are mounted and files are made by famfs itself.',
      remedy: 'Install famfs there or point --famfs-bin-dir to it.',
    };
  }
}

/**
 * Runs `famfs --help` as the mounter would run famfs. It tells no version (famfs reference 1.0), but which commands it has.
 */
export async function famfsProgramCheck(
  location: CommandLocation,
  binDir: string | undefined,
): Promise<NodeCheck> {
  const name = 'famfs-programs';
  const where = binDir === undefined ? 'on the ordinary search path' : `in ${binDir}`;
  const what = `famfs ${where} ${location.kind === 'host' ? 'of the host' : 'of the image'}`;
  const missing = (found: string): NodeCheck => ({
    ...({ name, state: 'missing', reason: 'famfs-missing', found } as const),
    why: 'Pools are mounted and files are made by famfs itself, of a release that suits the kernel.',
    remedy: 'Install the famfs user space there, or point --famfs-bin-dir to it.',
  });
  const { argv } = locateCommand({ program: 'famfs', args: ['--help'] }, location, binDir);
  const [file, ...args] = argv;
  try {
    const { exitCode, stdout, stderr } = await runCommand(file, args, { timeoutMs: helpTimeoutMs });
    if (exitCode !== 0) {
      return missing(
        `${what} does not run (status ${exitCode}): ${`${stderr}${stdout}`.trim().split('\n')[0]}.`,
      );
    }
    const commands = new Set(stdout.split('\n').map((line) => line.trim()));
    const unknown = neededCommands.filter((command) => !commands.has(command));
    if (unknown.length > 0) return missing(`${what} has no command ${unknown.join(', ')}.`);
    return ok(name, `${what} runs and has the commands that the driver uses; it does not tell its version.`);
  } catch (error) {
    return missing(`${what} cannot be started: ${error instanceof Error ? error.message : String(error)}.`);
  }
}

/** The simulator puts a program of its own beside those of famfs. */
export function isSimulator(location: CommandLocation, binDir: string | undefined): boolean {
  return binDir !== undefined && existsSync(pathSeenFromHere(location, path.join(binDir, 'simulator')));
}

/** Who this node is to famfs. */
export function identityCheck(systemUuidPath: string): NodeCheck {
  const name = 'famfs-identity';
  const remedy = `Keep ${systemUuidPath} from one start of the node to the next: a master that loses it can create files no more.`;
  try {
    const uuid = readSystemUuid(systemUuidPath);
    if (uuid !== undefined) return ok(name, `This node is ${uuid} (${systemUuidPath}).`);
    return {
      ...({ name, state: 'note', remedy } as const),
      found: `There is no ${systemUuidPath} yet; famfs makes it when it is first run.`,
      why: 'By it famfs knows of which pools this node is the master.',
    };
  } catch (error) {
    return {
      ...({ name, state: 'missing', reason: 'famfs-unsupported' } as const),
      found: `${systemUuidPath} cannot be used: ${error instanceof Error ? error.message : String(error)}`,
      why: 'By it famfs knows of which pools this node is the master.',
      remedy: 'Mount the directory of the host there, and look at what the file holds.',
    };
  }
}

/** The DAX devices of the node, a check each; one that says so when there is none. */
export function deviceChecks(sysfsRoot: string, devRoot: string, allowDriverSwitch: boolean): NodeCheck[] {
  const devices = listDaxDevices(sysfsRoot, devRoot);
  if (devices.length > 0) return devices.map((device) => deviceCheck(device, allowDriverSwitch));
  return [
    {
      ...({ name: 'devices', state: 'missing', reason: 'device-not-found' } as const),
      found: `There is no DAX device in ${sysfsRoot}/bus/dax/devices.`,
      why: 'A pool lies on a DAX device of shared memory.',
      remedy:
        'For CXL memory: cxl list -R, cxl create-region -t ram; for a pmem namespace: ndctl create-namespace --mode=devdax --map=mem. Then daxctl list shows it. A node without shared memory needs no mounter.',
    },
  ];
}

function deviceCheck(device: DaxDevice, allowDriverSwitch: boolean): NodeCheck {
  const { name, driver, path: devicePath } = device;
  const check = `device ${name}`;
  const what = `${name} has ${sizeText(device.sizeBytes)} and is ${driverText(driver)}`;
  // Not followed: a simulated device is a link to memory that only the host may see.
  const isThere = lstatSync(devicePath, { throwIfNoEntry: false }) !== undefined;
  const unsuitable = unsuitability(device, allowDriverSwitch);
  if (unsuitable === undefined && driver === 'fsdev_dax' && isThere) return ok(check, `${what}.`);
  const why = 'famfs takes devices that are bound to fsdev_dax (famfs mode).';
  if (!isThere) {
    return {
      ...({ name: check, state: 'missing', reason: 'device-unsuitable', why } as const),
      found: `${what}, but there is no ${devicePath}.`,
      remedy: "Mount the host's /dev into the container, or look at what udev does.",
    };
  }
  if (driver !== 'fsdev_dax' && allowDriverSwitch && unsuitable === undefined)
    return { name: check, state: 'note', found: `${what}; the mounter may switch it.`, why };
  return {
    ...({ name: check, state: 'missing', reason: 'device-unsuitable', why } as const),
    found: unsuitable === undefined ? `${what}.` : `${what}. ${unsuitable.message}`,
    ...remedyFor(device),
  };
}

function remedyFor({ name, driver, sizeBytes }: DaxDevice): { readonly remedy?: string } {
  const switching = `daxctl reconfigure-device -m famfs ${name}`;
  if (sizeBytes < 4n << 30n) return {};
  if (driver === 'kmem')
    return {
      remedy: `First take it out of system memory (daxctl reconfigure-device -f -m devdax ${name}), then ${switching}. After each boot.`,
    };
  return {
    remedy: `${switching} (ndctl 85 or newer), after each boot; or let the mounter do it: --allow-driver-switch.`,
  };
}

function driverText(driver: string | undefined): string {
  const modes: Readonly<Record<string, string>> = {
    fsdev_dax: 'in famfs mode (fsdev_dax)',
    device_dax: 'in devdax mode (device_dax)',
    kmem: 'in system-ram mode (kmem)',
  };
  return driver === undefined ? 'bound to no driver' : (modes[driver] ?? `bound to ${driver}`);
}
