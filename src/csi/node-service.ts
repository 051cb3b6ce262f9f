// The CSI Node service: publishes volumes by asking the mounter, reports what the node sees and how it is. Keeps no
// state that matters: the truth about binds is the kernel's, asked through the mounter.
import { DriverError } from '../errors.ts';
import type { MounterCalls, MounterView } from '../mounter/client.ts';
import type { CallContext } from '../rpc/call.ts';
import { constantMessage } from '../rpc/constant-message.ts';
import { type Handlers, unimplemented } from '../rpc/server.ts';
import type { TargetPath, VolumeId } from '../volumes/ids.ts';
import { checkedMap, optionalPath, requiredPath, requiredVolumeId } from './fields.ts';
import { storageHealthEntries, volumeHealthEntries } from './health.ts';
import { type NodeService, nodeCapabilities, usageUnits } from './protocol.ts';
import { parsePublishRequest } from './publish-order.ts';
import { bindsOf, type MounterAccess, notPublished, Publisher, within } from './publisher.ts';
import { topologyKeys } from './topology.ts';

export interface NodeServiceOptions {
  readonly nodeId: string;
  readonly mounter: MounterAccess;
}

const { GET_VOLUME_STATS, SINGLE_NODE_MULTI_WRITER, GET_VOLUME_HEALTH, GET_STORAGE_HEALTH } =
  nodeCapabilities;
/** What NodeGetCapabilities answers. */
export const offeredNodeCapabilities = constantMessage({
  capabilities: [GET_VOLUME_STATS, SINGLE_NODE_MULTI_WRITER, GET_VOLUME_HEALTH, GET_STORAGE_HEALTH].map(
    (type) => ({ rpc: { type } }),
  ),
});

/** Handlers of the Node service. */
export function nodeHandlers(options: NodeServiceOptions): Handlers<NodeService> {
  const { mounter, nodeId } = options;
  const publisher = new Publisher(mounter);
  const noStaging = unimplemented('this driver has no stage step: the mounter keeps one mount of each pool');
  return {
    nodePublishVolume: async (request, context) => {
      await publisher.publish(parsePublishRequest(request), context);
      return {};
    },
    nodeUnpublishVolume: async (request, context) => {
      const volumeId = requiredVolumeId(request.volumeId);
      await publisher.unpublish(volumeId, requiredPath(request.targetPath, 'target_path'), context);
      return {};
    },
    nodeGetVolumeStats: async (request, context) => {
      const volumeId = requiredVolumeId(request.volumeId);
      const target = placeOfVolume(request.volumePath, volumeId);
      optionalPath(request.stagingTargetPath, 'staging_target_path');
      return { usage: await volumeUsage(mounter.calls, volumeId, target, context) };
    },
    nodeGetVolumeHealth: async (request, context) => {
      const volumeId = requiredVolumeId(request.volumeId);
      const target = optionalPath(request.volumePublishPath, 'volume_publish_path');
      optionalPath(request.stagingTargetPath, 'staging_target_path');
      const healthStatuses = volumeHealthEntries(await publisher.problemsOf(volumeId, target, context));
      return { volumeHealth: { volumeId, healthStatuses } };
    },
    nodeGetStorageHealth: async (request) => {
      checkedMap(request.secrets, 'secrets', { secret: true });
      return { backendHealth: storageHealthEntries(mounter.view) };
    },
    nodeGetCapabilities: async () => offeredNodeCapabilities,
    nodeGetInfo: async () => ({ nodeId, accessibleTopology: { segments: topologyOf(mounter.view) } }),
    nodeStageVolume: noStaging,
    nodeUnstageVolume: noStaging,
    nodeExpandVolume: unimplemented('the size of a famfs file is fixed when it is made; volumes do not grow'),
  };
}

/** A relative path is the place of no volume, which is NOT_FOUND (csi-sanity holds drivers to that). */
function placeOfVolume(value: string, volumeId: VolumeId): TargetPath {
  if (value === '' || value.startsWith('/')) return requiredPath(value, 'volume_path');
  throw notPublished(volumeId, requiredPath(`/${value}`, 'volume_path'));
}

/** Bytes and log entries of a published volume. Its files are made at their full size, so all of it is used. */
async function volumeUsage(
  mounter: MounterCalls,
  volumeId: VolumeId,
  target: TargetPath,
  context: CallContext,
) {
  const [bind] = await bindsOf(mounter, volumeId, target, context);
  if (bind === undefined) throw notPublished(volumeId, target);
  const { poolUuid, path } = bind;
  const found = await mounter.stat({ poolUuid, path }, within(context));
  const freeEntries = found.poolLogEntriesTotal - found.poolLogEntriesUsed;
  return [
    { unit: usageUnits.BYTES, total: found.sizeBytes, used: found.sizeBytes, available: 0n },
    {
      unit: usageUnits.INODES,
      total: found.poolLogEntriesTotal,
      used: found.logEntries,
      available: freeEntries > 0n ? freeEntries : 0n,
    },
  ];
}

/** Until the mounter has looked at all devices, an answer would be taken for the whole truth. */
function topologyOf({ state, problem }: MounterView): Record<string, string> {
  if (state === undefined || !state.settled) {
    throw new DriverError(
      'mounter-unavailable',
      `the pools of this node are not known yet: ${problem?.message ?? 'the mounter is still looking'}`,
    );
  }
  return Object.fromEntries(topologyKeys(state).map((key) => [key, 'true']));
}
