// What a volume is to be used as (VolumeCapability): read, and held against what this driver serves. Pure.
import { DriverError } from '../errors.ts';
import { type AccessMode, isAccessMode } from '../volumes/access.ts';
import { type MountFlags, parseMountFlags } from '../volumes/mount-flags.ts';
import { checkedString } from './fields.ts';
import { accessModes, type VolumeCapability } from './protocol.ts';

const modeNames = new Map(Object.entries(accessModes).map(([name, number]) => [number as number, name]));
const maximumFlagsBytes = 4096;

/**
 * Reads a capability.
 * @throws {DriverError} invalid-argument that says which part of it is not served
 */
export function parseCapability(capability: VolumeCapability | undefined): {
  mode: AccessMode;
  flags: MountFlags;
} {
  if (capability === undefined) throw refusal('volume_capability is missing');
  if (capability.block != null) {
    throw refusal(
      'volume_capability.block: famfs is a file system and serves no block devices; use volumeMode Filesystem',
    );
  }
  const { mount } = capability;
  if (mount == null) throw refusal('volume_capability has no access type; only mount is served');
  const number = capability.accessMode?.mode ?? accessModes.UNKNOWN;
  const mode = modeNames.get(number);
  if (!isAccessMode(mode)) {
    throw refusal(
      number === accessModes.UNKNOWN
        ? 'volume_capability.access_mode is missing'
        : `volume_capability.access_mode ${number} is not one that CSI 1.13 has`,
    );
  }
  checkedString(mount.fsType, 'volume_capability.mount.fs_type');
  if (mount.fsType !== '' && mount.fsType !== 'famfs') {
    throw refusal(
      `volume_capability.mount.fs_type is ${JSON.stringify(mount.fsType)}; leave it out or say famfs`,
    );
  }
  checkedString(mount.volumeMountGroup, 'volume_capability.mount.volume_mount_group');
  if (mount.volumeMountGroup !== '') {
    throw refusal(
      'volume_capability.mount.volume_mount_group is not served: all pods of a node share one mount of the pool; ' +
        'give the files a group or mode that their readers have',
    );
  }
  const sizeBytes = mount.mountFlags.reduce((sum, flag) => sum + Buffer.byteLength(flag), 0);
  if (sizeBytes > maximumFlagsBytes) {
    throw refusal(`volume_capability.mount.mount_flags has more than ${maximumFlagsBytes} bytes`);
  }
  return { mode, flags: parseMountFlags(mount.mountFlags) };
}

function refusal(message: string): DriverError {
  return new DriverError('invalid-argument', message);
}
