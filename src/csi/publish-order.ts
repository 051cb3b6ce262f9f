// Turns a NodePublishVolumeRequest into what the mounter is asked, or refuses it with the field's name. Pure: asks
// nobody, changes nothing.
import { DriverError } from '../errors.ts';
import { type AccessMode, decideAccess, isAccessMode } from '../volumes/access.ts';
import type { PoolPath, PoolUuid, TargetPath, VolumeId } from '../volumes/ids.ts';
import { type MountFlags, parseMountFlags } from '../volumes/mount-flags.ts';
import { parseVolumeContext } from '../volumes/volume-context.ts';
import { checkedMap, checkedString, optionalPath, requiredPath, requiredVolumeId } from './fields.ts';
import { accessModes, type NodePublishVolumeRequest, type VolumeCapability } from './protocol.ts';

/** One bind, as the volume and the request together ask for it. */
export interface PublishOrder {
  readonly volumeId: VolumeId;
  readonly target: TargetPath;
  readonly poolUuid: PoolUuid;
  readonly path: PoolPath;
  readonly writable: boolean;
  readonly allowExec: boolean;
  readonly soleTarget: boolean;
}

const modeNames = new Map(Object.entries(accessModes).map(([name, number]) => [number as number, name]));
const maximumFlagsBytes = 4096;

/**
 * Reads a publish request.
 * @throws {DriverError} invalid-argument, path-too-long, inline-refused, or writes-refused
 */
export function parsePublishRequest(request: NodePublishVolumeRequest): PublishOrder {
  const volumeId = requiredVolumeId(request.volumeId);
  const target = requiredPath(request.targetPath, 'target_path');
  optionalPath(request.stagingTargetPath, 'staging_target_path');
  checkedMap(request.secrets, 'secrets', { secret: true });
  checkedMap(request.publishContext, 'publish_context');
  if (Object.keys(request.publishContext).length > 0) {
    throw new DriverError(
      'invalid-argument',
      'publish_context is not empty, and this driver has no attach step',
    );
  }
  const { mode, flags } = parseCapability(request.volumeCapability ?? undefined);
  const context = parseVolumeContext(checkedMap(request.volumeContext, 'volume_context'));
  const readOnly = request.readonly || flags.readOnly;
  const decision = decideAccess({ mode, readOnly, access: context.access });
  return {
    volumeId,
    target,
    poolUuid: context.pool,
    path: context.path,
    allowExec: flags.allowExec,
    ...decision,
  };
}

function parseCapability(capability: VolumeCapability | undefined): { mode: AccessMode; flags: MountFlags } {
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
