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

/** Looks at everything. Fails never: what cannot be looked at is not called missing, but why it cannot be is. */
export async function preflight(places: PreflightPlaces): Promise<CheckGroup[]> {
  const { location, mode, famfsBinDir } = places;
  const host = await hostCheck(location);
  const isSeen = host.state !== 'missing';
  const inKernel = readFamfsInKernel(location);
  const table = ownMounts();
  const isFuse = mode === 'fuse' || (mode === 'auto' && !inKernel.standalone);
  const ofHost = (name: string, look: () => NodeCheck): NodeCheck => (isSeen ? look() : unseen(name));
  return [
    {
      title: 'Host',
      checks: [
        host,
        rightsCheck(location.kind === 'host' ? ['CAP_SYS_ADMIN', 'CAP_SYS_PTRACE'] : ['CAP_SYS_ADMIN']),
        ofHost('launcher', () => launcherCheck(places.launcher, isFuse)),
        memlockCheck(location),
      ],
    },
    {
      title: 'Kernel',
      checks: [
        ...kernelCallChecks(),
        famfsKernelCheck(inKernel, mode, isSimulator(location, famfsBinDir)),
        ofHost('fuse-device', () => fuseDeviceCheck(location, mode, inKernel)),
      ],
    },
    {
      title: 'famfs',
      checks: [
        isSeen ? await famfsProgramCheck(location, famfsBinDir) : unseen('famfs-programs'),
        identityCheck(places.systemUuidPath),
      ],
    },
    {
      title: 'Memory',
      checks: deviceChecks(places.sysfsRoot, places.devRoot, places.allowDriverSwitch),
    },
    {
      title: 'Directories',
      checks: [
        ...places.kubeletDirs.map((folder) => propagationCheck(folder, false, location, table)),
        propagationCheck(path.dirname(places.poolDir), true, location, table),
        poolPlacesCheck(places.poolDir, places.shadowDir, location),
        socketCheck(places.socket),
      ],
    },
  ];
}

function unseen(name: string): NodeCheck {
  return {
    ...({ name, state: 'note' } as const),
    found: `Not looked at (${name}): the host cannot be entered.`,
  };
}
