// Everything that a node needs to serve famfs, looked at in one go, in groups for a person. Changes nothing.
import type { CommandLocation } from '../famfs/command-location.ts';
import { deviceChecks, famfsVersionCheck, identityCheck, isSimulator } from './famfs-checks.ts';
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

/** Looks at everything. Fails never: what cannot be looked at is missing. */
export async function preflight(places: PreflightPlaces): Promise<CheckGroup[]> {
  const { location, mode } = places;
  const inKernel = readFamfsInKernel(location);
  const simulated = isSimulator(location, places.famfsBinDir);
  const table = ownMounts();
  const rights = location.kind === 'host' ? ['CAP_SYS_ADMIN', 'CAP_SYS_PTRACE'] : ['CAP_SYS_ADMIN'];
  const isFuse = mode === 'fuse' || (mode === 'auto' && !inKernel.standalone);
  return [
    {
      title: 'Kernel',
      checks: [
        ...kernelCallChecks(),
        famfsKernelCheck(inKernel, mode, simulated),
        fuseDeviceCheck(location, mode, inKernel),
        rightsCheck(rights),
      ],
    },
    {
      title: 'famfs',
      checks: [await famfsVersionCheck(location, places.famfsBinDir), identityCheck(places.systemUuidPath)],
    },
    { title: 'Memory', checks: deviceChecks(places.sysfsRoot, places.devRoot, places.allowDriverSwitch) },
    {
      title: 'Host',
      checks: [
        await hostCheck(location),
        ...places.kubeletDirs.map((directory) =>
          propagationCheck('kubelet-directory', directory, location, table),
        ),
        poolPlacesCheck(places.poolDir, places.shadowDir, location),
        launcherCheck(places.launcher, isFuse),
        socketCheck(places.socket),
        memlockCheck(location),
      ],
    },
  ];
}
