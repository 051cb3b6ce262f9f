// Turns a NodePublishVolumeRequest into what the mounter is asked, or refuses it with the field's name. Pure: asks
// nobody, changes nothing.
import { DriverError } from '../errors.ts';
import { decideAccess } from '../volumes/access.ts';
import type { PoolPath, PoolUuid, TargetPath, VolumeId } from '../volumes/ids.ts';
import { parseVolumeContext } from '../volumes/volume-context.ts';
import { checkedMap, optionalPath, requiredPath, requiredVolumeId } from './fields.ts';
import type { NodePublishVolumeRequest } from './protocol.ts';
import { parseCapability } from './volume-capability.ts';

/** One bind, as the volume and the request together ask for it. */
export interface PublishOrder {
  readonly volumeId: VolumeId;
  readonly target: TargetPath;
  readonly poolUuid: PoolUuid;
  readonly path: PoolPath;
  readonly writable: boolean;
  readonly allowExec: boolean;
  readonly soleTarget: boolean;
  readonly onlySafely: boolean;
}

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
