// The CSI Node service: publishes volumes by asking the mounter, reports what the node sees and how it is. Keeps no
// state that matters: the truth about binds is the kernel's, asked through the mounter.
import { DriverError } from '../errors.ts';
import type { Bind, MounterCalls, MounterView } from '../mounter/client.ts';
import type { CallContext } from '../rpc/call.ts';
import type { CallOptions } from '../rpc/client.ts';
import { type Handlers, unimplemented } from '../rpc/server.ts';
import type { TargetPath, VolumeId } from '../volumes/ids.ts';
import { checkedMap, optionalPath, requiredPath, requiredVolumeId } from './fields.ts';
import { storageHealthEntries, volumeHealthEntries } from './health.ts';
import { OperationLocks } from './operation-locks.ts';
import { type NodeService, nodeCapabilities, usageUnits } from './protocol.ts';
import { type PublishOrder, parsePublishRequest } from './publish-order.ts';
import { RecentFailures } from './recent-failures.ts';
import { topologyKeys } from './topology.ts';

export interface NodeServiceOptions {
  readonly nodeId: string;
  readonly mounter: { readonly calls: MounterCalls; readonly view: MounterView };
}

const { GET_VOLUME_STATS, SINGLE_NODE_MULTI_WRITER, GET_VOLUME_HEALTH, GET_STORAGE_HEALTH } =
  nodeCapabilities;
const capabilities = [GET_VOLUME_STATS, SINGLE_NODE_MULTI_WRITER, GET_VOLUME_HEALTH, GET_STORAGE_HEALTH].map(
  (type) => ({ rpc: { type } }),
);

/** Handlers of the Node service. */
export function nodeHandlers(options: NodeServiceOptions): Handlers<NodeService> {
  const { mounter, nodeId } = options;
  const publisher = new Publisher(mounter.calls);
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
      const target = requiredPath(request.volumePath, 'volume_path');
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
    nodeGetCapabilities: async () => ({ capabilities }),
    nodeGetInfo: async () => ({ nodeId, accessibleTopology: { segments: topologyOf(mounter.view) } }),
    nodeStageVolume: noStaging,
    nodeUnstageVolume: noStaging,
    nodeExpandVolume: unimplemented('the size of a famfs file is fixed when it is made; volumes do not grow'),
  };
}

/** The volumes of this node as calls change and look at them. */
class Publisher {
  readonly #mounter: MounterCalls;
  readonly #locks = new OperationLocks();
  readonly #failures = new RecentFailures();

  constructor(mounter: MounterCalls) {
    this.#mounter = mounter;
  }

  /** Repeating a publish that succeeded changes nothing; the mounter compares with what the kernel has. */
  async publish(order: PublishOrder, context: CallContext): Promise<void> {
    const { volumeId, target, poolUuid, path } = order;
    await this.#locks.run(volumeId, target, async () => {
      try {
        await this.#mounter.bind(order, within(context));
        this.#failures.delete(volumeId);
      } catch (error) {
        this.#failures.add(volumeId, { poolUuid, path });
        throw error;
      }
    });
  }

  async unpublish(volumeId: VolumeId, target: TargetPath, context: CallContext): Promise<void> {
    await this.#locks.run(volumeId, target, async () => {
      await this.#mounter.unbind({ volumeId, target }, within(context));
      this.#failures.delete(volumeId);
    });
  }

  /** What is wrong with a volume: where it is published, or else where it was tried last. */
  async problemsOf(volumeId: VolumeId, target: TargetPath | undefined, context: CallContext) {
    const binds = await bindsOf(this.#mounter, volumeId, target, context);
    const failed = this.#failures.get(volumeId);
    const looked = binds.length > 0 || failed === undefined ? binds : [{ ...failed, target: '' }];
    if (looked.length === 0) throw notPublished(volumeId, target);
    const checks = looked.map(({ poolUuid, path, target: at }) =>
      this.#mounter.checkHealth({ poolUuid, path, target: at }, within(context)),
    );
    return (await Promise.all(checks)).flatMap(({ problems }) => problems);
  }
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

async function bindsOf(
  mounter: MounterCalls,
  volumeId: VolumeId,
  target: TargetPath | undefined,
  context: CallContext,
): Promise<Bind[]> {
  const { binds } = await mounter.listBinds({ volumeId }, within(context));
  return target === undefined ? binds : binds.filter((bind) => bind.target === target);
}

function notPublished(volumeId: VolumeId, target: TargetPath | undefined): DriverError {
  const place = target === undefined ? 'on this node' : `at ${target}`;
  return new DriverError('not-published', `the volume ${volumeId} is not published ${place}`);
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

/** The caller's deadline and withdrawal, passed on. */
function within({ signal, deadlineMs }: CallContext): CallOptions {
  return { signal, deadlineMs };
}
