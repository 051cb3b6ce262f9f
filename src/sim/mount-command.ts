// famfs mount: options and checks, then one of the two modes (famfs reference 1.2).
import { mkdtempSync } from 'node:fs';
import path from 'node:path';
import { atEffect, nameEffectRole } from '../linux/effect-point.ts';
import { scanUnsigned } from './c-numbers.ts';
import type { CommandContext } from './command-context.ts';
import { checkDaxMode } from './dax-mode.ts';
import { type FamfsMode, isStandaloneModuleLoaded, selectMode } from './famfs-mode.ts';
import type { OptionTable } from './get-options.ts';
import { mountFuseMode } from './mount-fuse.ts';
import { mountStandaloneDummy, mountStandaloneMode } from './mount-standalone.ts';
import { realPathOf } from './mounted-pool.ts';
import { findNodeDevice, type NodeDevice } from './node.ts';
import { printUsage, readOptions } from './option-reader.ts';
import { mountUsage } from './usage-texts.ts';

const table: OptionTable = {
  short: '+h?RrfFmvupbdt:c:S:DML',
  long: [
    { name: 'read', takesValue: false, key: 'r' },
    { name: 'mmap', takesValue: false, key: 'm' },
    { name: 'debug', takesValue: false, key: 'd' },
    { name: 'fuse', takesValue: false, key: 'f' },
    { name: 'nofuse', takesValue: false, key: 'F' },
    { name: 'timeout', takesValue: true, key: 't' },
    { name: 'verbose', takesValue: false, key: 'v' },
    { name: 'nouseraccess', takesValue: false, key: 'u' },
    { name: 'nodefaultperm', takesValue: false, key: 'p' },
    { name: 'shadow', takesValue: true, key: 'S' },
    { name: 'dummy', takesValue: false, key: 'D' },
    { name: 'set-daxmode', takesValue: false, key: 'M' },
    { name: 'load-module', takesValue: false, key: 'L' },
    { name: 'remount', takesValue: false, key: 'R' },
    { name: 'cache', takesValue: true, key: 'c' },
  ],
};
/** -c of famfs mount, an older way to say -t. */
const cacheTimeouts: Readonly<Record<string, number>> = { always: 31536000, normal: 1, never: 0 };
const invalidArgument = -22;
const noPermission = 1;

interface Settings {
  mode: FamfsMode | undefined;
  timeoutSeconds: number | undefined;
  cache: string | undefined;
  shadow: string | undefined;
  allowOther: boolean;
  defaultPermissions: boolean;
  isDummy: boolean;
  maySwitch: boolean;
  loadsModule: boolean;
  usesMmap: boolean;
  usesRead: boolean;
}

/** Runs `famfs mount`. Returns famfs's result code. */
export async function mountCommand(context: CommandContext, argv: readonly string[]): Promise<number> {
  const settings: Settings = {
    mode: undefined,
    timeoutSeconds: undefined,
    cache: undefined,
    shadow: undefined,
    allowOther: true,
    defaultPermissions: true,
    isDummy: false,
    maySwitch: false,
    loadsModule: false,
    usesMmap: false,
    usesRead: false,
  };
  const parsed = readOptions(context, argv, { table, usage: mountUsage }, ({ key, value = '' }) =>
    takeOption(context, settings, key, value),
  );
  if (typeof parsed === 'number') return parsed;
  const problem = settingsProblem(context, settings, parsed.operands);
  if (problem !== undefined) return problem;
  if (context.uid !== 0) {
    context.complain('famfs mount: must run as root');
    return noPermission;
  }
  const [givenDevice = '', givenMountPoint = ''] = parsed.operands;
  const device = findNodeDevice(context.node, givenDevice);
  const devicePath = device?.path ?? realPathOf(givenDevice);
  if (devicePath === undefined) {
    context.complain(`famfs mount: daxdev (${givenDevice}) not found`);
    return -1;
  }
  const mountPoint = settings.isDummy ? '' : realPathOf(givenMountPoint);
  if (mountPoint === undefined) {
    context.complain(`famfs mount: mount pt (${givenMountPoint}) not found`);
    return -1;
  }
  const mode = settings.mode ?? selectMode(context);
  if (mode === undefined) {
    context.complain('do_famfs_cli_mount: kernel not famfs-enabled');
    return -1;
  }
  const target = { device, devicePath, mountPoint };
  return mode === 'fuse'
    ? await mountByFuse(context, settings, target)
    : await mountByModule(context, settings, target);
}

function takeOption(
  context: CommandContext,
  settings: Settings,
  key: string,
  value: string,
): number | undefined {
  if (key === 'f') settings.mode = 'fuse';
  if (key === 'F') settings.mode = 'standalone';
  if (key === 't') settings.timeoutSeconds = Number(scanUnsigned(value).value);
  if (key === 'c') settings.cache = value;
  if (key === 'u') settings.allowOther = false;
  if (key === 'p') settings.defaultPermissions = false;
  if (key === 'D') settings.isDummy = true;
  if (key === 'M') settings.maySwitch = true;
  if (key === 'L') settings.loadsModule = true;
  if (key === 'm') settings.usesMmap = true;
  if (key === 'r') {
    settings.usesRead = true;
    context.complain('do_famfs_cli_mount: warning: the read option can cause cache coherency problems');
  }
  if (key !== 'S') return undefined;
  if (settings.shadow !== undefined) {
    context.complain("do_famfs_cli_mount: don't specify more than one shadowpath");
    return invalidArgument;
  }
  settings.shadow = value;
  return undefined;
}

function settingsProblem(
  context: CommandContext,
  settings: Settings,
  operands: readonly string[],
): number | undefined {
  if (settings.usesMmap && settings.usesRead) {
    context.complain('Error: --mmap and --read are mutually exclusive\n');
    printUsage(context, mountUsage);
    return -1;
  }
  if (settings.cache !== undefined) {
    if (settings.timeoutSeconds !== undefined) {
      context.complain('do_famfs_cli_mount: Error: timeout & cache args mutually exclusive');
      return -1;
    }
    settings.timeoutSeconds = cacheTimeouts[settings.cache];
    if (settings.timeoutSeconds === undefined) {
      context.complain(`do_famfs_cli_mount: invalid arg cache=${settings.cache}`);
      return -1;
    }
  }
  if (operands.length === (settings.isDummy ? 1 : 2)) return undefined;
  const wanted = settings.isDummy
    ? 'dummy mount requires <daxdev>'
    : '<daxdev> and <mountpoint> args required';
  context.complain(`do_famfs_cli_mount: error: ${wanted}`);
  printUsage(context, mountUsage);
  return -1;
}

interface Target {
  readonly device: NodeDevice | undefined;
  readonly devicePath: string;
  readonly mountPoint: string;
}

async function mountByFuse(context: CommandContext, settings: Settings, target: Target): Promise<number> {
  const { device, devicePath } = target;
  const { maySwitch, isDummy } = settings;
  const result = checkDaxMode(context, { devicePath, command: 'famfs mount', maySwitch });
  if (result !== 0 || device === undefined) return result;
  const mountPoint = isDummy ? makeDummyDirectory(context) : target.mountPoint;
  if (!isDummy) context.print(`daxdev=${devicePath}, mpt=${mountPoint}`);
  const { shadow, timeoutSeconds, allowOther, defaultPermissions } = settings;
  const request = { device, mountPoint, allowOther, defaultPermissions, isDummy };
  const mounted = await mountFuseMode(
    context,
    isDummy ? request : { ...request, shadow: shadow && path.resolve(shadow), timeoutSeconds },
  );
  if (isDummy && mounted === 0) context.print(`Successful dummy mount at ${mountPoint}`);
  else if (isDummy) {
    context.complain(`famfs_dummy_mount: dummy mount failed for ${devicePath} at ${mountPoint}`);
  }
  return mounted;
}

async function mountByModule(context: CommandContext, settings: Settings, target: Target): Promise<number> {
  const { device, devicePath } = target;
  const { maySwitch } = settings;
  if (settings.isDummy) return await mountDummyByModule(context, target);
  if (settings.loadsModule) loadModule(context);
  if (!isStandaloneModuleLoaded(context)) {
    context.complain('famfs mount: famfs kernel module is not loaded!');
    context.complain("famfs mount: try 'sudo modprobe famfs'");
    return -1;
  }
  const result = checkDaxMode(context, { devicePath, command: 'famfs mount', maySwitch });
  if (result !== 0 || device === undefined) return result;
  return await mountStandaloneMode(context, device, target.mountPoint);
}

async function mountDummyByModule(context: CommandContext, { device, devicePath }: Target): Promise<number> {
  const mountPoint = makeDummyDirectory(context);
  const result = checkDaxMode(context, { devicePath, command: 'famfs mount', maySwitch: false });
  if (result !== 0 || device === undefined) return result;
  const mounted = await mountStandaloneDummy(context, device, mountPoint);
  if (mounted === 0) context.print(`Successful dummy mount at ${mountPoint}`);
  return mounted;
}

function makeDummyDirectory(context: CommandContext): string {
  nameEffectRole('famfs dummy-mount');
  return atEffect('mkdir dummy', () => mkdtempSync(path.join(context.temporaryDirectory, 'famfs_dummy_')));
}

/** A simulated node has the module or it has not; none can be loaded. */
function loadModule(context: CommandContext): void {
  context.complain('famfs_load_module: failed to load famfs or famfsv1 module');
}
