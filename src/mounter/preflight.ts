// Everything that a node needs to serve famfs, looked at in one go, in groups for a person. Changes nothing.
import path from 'node:path';
import type { CommandLocation } from '../famfs/command-location.ts';
import { deviceChecks, famfsProgramCheck, identityCheck, isSimulator } from './famfs-checks.ts';
import {
  hostCheck,
  launcherCheck,
  memlockCheck,
  ownMounts,
  poolPlacesCheck,
  propagationCheck,
  socketCheck,
} from './host-checks.ts';
import {
  famfsKernelCheck,
  fuseDeviceCheck,
  kernelCallChecks,
  readFamfsInKernel,
  rightsCheck,
} from './kernel-checks.ts';
import type { LauncherName } from './launcher.ts';
import type { MounterSettings } from './mounter-settings.ts';
import type { NodeCheck } from './node-check.ts';

/** What the mounter would be started with. */
export interface PreflightPlaces
  extends Pick<
    MounterSettings,
    | 'kubeletDirs'
    | 'poolDir'
    | 'shadowDir'
    | 'sysfsRoot'
    | 'devRoot'
    | 'systemUuidPath'
    | 'mode'
    | 'allowDriverSwitch'
  > {
  readonly socket: string;
  readonly location: CommandLocation;
  readonly famfsBinDir: string | undefined;
  readonly launcher: LauncherName;
}

export interface CheckGroup {
  readonly title: string;
  readonly checks: readonly NodeCheck[];
}

/** What decides about several checks, and is looked at once. */
interface Sight {
  readonly host: NodeCheck;
  readonly inKernel: ReturnType<typeof readFamfsInKernel>;
}

/** Looks at everything. Fails never: what cannot be looked at is not called missing, but why it cannot be is. */
export async function preflight(places: PreflightPlaces): Promise<CheckGroup[]> {
  const { location, sysfsRoot, devRoot, allowDriverSwitch } = places;
  const sight = { host: await hostCheck(location), inKernel: readFamfsInKernel(location) };
  return [
    { title: 'Host', checks: hostChecks(places, sight) },
    { title: 'Kernel', checks: kernelChecks(places, sight) },
    { title: 'famfs', checks: await famfsChecks(places, sight) },
    { title: 'Memory', checks: deviceChecks(sysfsRoot, devRoot, allowDriverSwitch) },
    { title: 'Directories', checks: directoryChecks(places) },
  ];
}

function hostChecks({ location, mode, launcher }: PreflightPlaces, sight: Sight): NodeCheck[] {
  const isFuse = mode === 'fuse' || (mode === 'auto' && !sight.inKernel.standalone);
  return [
    sight.host,
    rightsCheck(location.kind === 'host' ? ['CAP_SYS_ADMIN', 'CAP_SYS_PTRACE'] : ['CAP_SYS_ADMIN']),
    isEntered(sight) ? launcherCheck(launcher, isFuse) : unseen('launcher'),
    memlockCheck(location),
  ];
}

function kernelChecks({ location, mode, famfsBinDir }: PreflightPlaces, sight: Sight): NodeCheck[] {
  return [
    ...kernelCallChecks(),
    famfsKernelCheck(sight.inKernel, mode, isSimulator(location, famfsBinDir)),
    isEntered(sight) ? fuseDeviceCheck(location, mode, sight.inKernel) : unseen('fuse-device'),
  ];
}

async function famfsChecks(places: PreflightPlaces, sight: Sight): Promise<NodeCheck[]> {
  const { location, famfsBinDir, systemUuidPath } = places;
  return [
    isEntered(sight) ? await famfsProgramCheck(location, famfsBinDir) : unseen('famfs-programs'),
    identityCheck(systemUuidPath),
  ];
}

function directoryChecks(places: PreflightPlaces): NodeCheck[] {
  const { kubeletDirs, poolDir, shadowDir, socket, location } = places;
  const table = ownMounts();
  return [
    ...kubeletDirs.map((folder) => propagationCheck(folder, false, location, table)),
    propagationCheck(path.dirname(poolDir), true, location, table),
    poolPlacesCheck(poolDir, shadowDir, location),
    socketCheck(socket),
  ];
}

function isEntered({ host }: Sight): boolean {
  return host.state !== 'missing';
}

function unseen(name: string): NodeCheck {
  return {
    ...({ name, state: 'note' } as const),
    found: `Not looked at (${name}): the host cannot be entered.`,
  };
}
