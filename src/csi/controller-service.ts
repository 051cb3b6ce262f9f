// The CSI Controller service: volumes are made, found, listed and ended. Reads requests and writes answers; what a volume
// is and where it goes is provisioning's (src/volumes/).
import { DriverError } from '../errors.ts';
import { constantMessage } from '../rpc/constant-message.ts';
import { type Handlers, unimplemented } from '../rpc/server.ts';
import { isWriter } from '../volumes/access.ts';
import { capacityOf } from '../volumes/capacity.ts';
import { parseClassParameters } from '../volumes/class-parameters.ts';
import type { PoolFacts, Pools } from '../volumes/pool-facts.ts';
import { topologyKey } from '../volumes/pool-topology.ts';
import type { Provisioner } from '../volumes/provisioner.ts';
import { sizeOf } from '../volumes/slot-layout.ts';
import { slotPath, type VolumeRecord } from '../volumes/volume-record.ts';
import type { VolumeRecords } from '../volumes/volume-records.ts';
import { writersRefusal } from '../volumes/writers.ts';
import { checkedMap, requiredVolumeId } from './fields.ts';
import { type HealthEntry, volumeHealthEntries } from './health.ts';
import { OperationLocks } from './operation-locks.ts';
import { pageOf } from './page.ts';
import { type ControllerService, controllerCapabilities, type VolumeCapability } from './protocol.ts';
import { parseCapabilities, parseCreateRequest } from './provision-order.ts';
import { poolsOfTopology } from './topology.ts';

export interface ControllerServiceOptions {
  readonly provisioner: Provisioner;
  readonly records: VolumeRecords;
  readonly pools: Pools;
}

const capabilityTypes = [
  'CREATE_DELETE_VOLUME',
  'LIST_VOLUMES',
  'GET_CAPACITY',
  'GET_VOLUME',
  'SINGLE_NODE_MULTI_WRITER',
  'GET_VOLUME_HEALTH',
  'LIST_VOLUME_HEALTH',
] as const;
const capabilities = constantMessage({
  capabilities: capabilityTypes.map((type) => ({ rpc: { type: controllerCapabilities[type] } })),
});

/** Handlers of the Controller service. */
export function controllerHandlers(options: ControllerServiceOptions): Handlers<ControllerService> {
  const { provisioner, records, pools } = options;
  const busy = new OperationLocks();
  return {
    createVolume: (request, { signal }) => {
      const wish = parseCreateRequest(request);
      return busy.run([`the name ${wish.name}`], async () => ({
        volume: wireVolume(await provisioner.create(wish, signal)),
      }));
    },
    deleteVolume: (request, { signal }) => {
      const volumeId = requiredVolumeId(request.volumeId);
      checkedMap(request.secrets, 'secrets', { secret: true });
      return busy.run([`volume ${volumeId}`], async () => {
        await provisioner.delete(volumeId, signal);
        return {};
      });
    },
    validateVolumeCapabilities: async (request) => {
      checkedMap(request.secrets, 'secrets', { secret: true });
      return validated(request, await required(provisioner, request.volumeId), await pools.list());
    },
    listVolumes: async ({ maxEntries, startingToken }) => {
      const { entries, nextToken } = pageOf(await readyVolumes(records), idOf, maxEntries, startingToken);
      return { entries: entries.map((record) => ({ volume: wireVolume(record), status: {} })), nextToken };
    },
    controllerGetVolume: async ({ volumeId }) => ({
      volume: wireVolume(await required(provisioner, volumeId)),
      status: {},
    }),
    getCapacity: async (request) => capacityAnswer(request, records, pools),
    controllerGetVolumeHealth: async (request) => {
      checkedMap(request.secrets, 'secrets', { secret: true });
      const record = await required(provisioner, request.volumeId);
      return { volumeHealth: healthOf(record, await pools.list()) };
    },
    controllerListVolumeHealth: async (request) => {
      checkedMap(request.secrets, 'secrets', { secret: true });
      const facts = await pools.list();
      const ill = await illVolumes(records, facts);
      const { entries, nextToken } = pageOf(ill, idOf, request.maxEntries, request.startingToken);
      return { entries: entries.map((record) => healthOf(record, facts)), nextToken };
    },
    controllerGetCapabilities: async () => capabilities,
    ...notOffered,
  };
}

const noAttach = unimplemented('volumes are not attached: every node that sees the memory can publish them');
const noSnapshots = unimplemented('famfs has no snapshots');
const notOffered = {
  controllerPublishVolume: noAttach,
  controllerUnpublishVolume: noAttach,
  createSnapshot: noSnapshots,
  deleteSnapshot: noSnapshots,
  listSnapshots: noSnapshots,
  getSnapshot: noSnapshots,
  controllerExpandVolume: unimplemented(
    'the size of a famfs file is fixed when it is made; volumes do not grow',
  ),
  controllerModifyVolume: unimplemented('a volume has nothing that could be changed'),
};

function idOf({ spec }: VolumeRecord): string {
  return spec.volumeId;
}

async function readyVolumes(records: VolumeRecords): Promise<VolumeRecord[]> {
  return (await records.list()).filter(({ status, deleting }) => status.phase === 'Ready' && !deleting);
}

async function required(provisioner: Provisioner, text: string): Promise<VolumeRecord> {
  const volumeId = requiredVolumeId(text);
  const record = await provisioner.find(volumeId);
  if (record !== undefined) return record;
  throw new DriverError('volume-not-found', `There is no volume ${volumeId}.`);
}

/** What CreateVolume answers: everything a node needs is in the context (design 3). */
function wireVolume({ spec }: VolumeRecord) {
  return {
    volumeId: spec.volumeId,
    capacityBytes: sizeOf(spec.layout),
    volumeContext: { pool: spec.poolUuid, path: slotPath(spec.slot), access: spec.access },
    accessibleTopology: [{ segments: { [topologyKey(spec.poolUuid)]: 'true' } }],
  };
}

interface CapacityRequest {
  readonly volumeCapabilities: VolumeCapability[];
  readonly parameters: Record<string, string>;
  readonly accessibleTopology?: { readonly segments: Readonly<Record<string, string>> } | null | undefined;
}

/** How much a class could still have where it is asked about (design 3): everywhere, when no topology is named. */
async function capacityAnswer(request: CapacityRequest, records: VolumeRecords, pools: Pools) {
  const asked = request.volumeCapabilities;
  const hasWriter = asked.length > 0 && parseCapabilities(asked).some(isWriter);
  const parameters = parseClassParameters(checkedMap(request.parameters, 'parameters'));
  const segments = request.accessibleTopology?.segments;
  const uuids =
    segments === undefined
      ? undefined
      : new Set(poolsOfTopology(checkedMap(segments, 'accessible_topology')));
  const [facts, volumes, slots, published, bound] = await Promise.all([
    pools.list(),
    records.list(),
    records.slots(),
    pools.publishedVolumeIds(),
    pools.boundSlots(),
  ]);
  const occupancy = { volumes, slots, published, bound };
  const capacity = capacityOf({ parameters, uuids, hasWriter }, facts, occupancy);
  return {
    availableCapacity: capacity.availableBytes,
    maximumVolumeSize: { value: capacity.maximumVolumeBytes },
    minimumVolumeSize: { value: capacity.minimumVolumeBytes },
  };
}

async function illVolumes(records: VolumeRecords, facts: readonly PoolFacts[]): Promise<VolumeRecord[]> {
  const volumes = await readyVolumes(records);
  return volumes.filter((record) => healthOf(record, facts).healthStatuses.length > 0);
}

interface ValidateRequest {
  readonly volumeCapabilities: VolumeCapability[];
  readonly volumeContext: Record<string, string>;
  readonly parameters: Record<string, string>;
  readonly mutableParameters: Record<string, string>;
}

/** Capabilities that are not served are an answer, not an error; none at all is an error. */
function validated(request: ValidateRequest, record: VolumeRecord, pools: readonly PoolFacts[]) {
  const { volumeCapabilities, parameters } = request;
  const volumeContext = checkedMap(request.volumeContext, 'volume_context');
  checkedMap(parameters, 'parameters');
  checkedMap(request.mutableParameters, 'mutable_parameters');
  if (volumeCapabilities.length === 0)
    throw new DriverError('invalid-argument', 'volume_capabilities is missing');
  try {
    const modes = parseCapabilities(volumeCapabilities);
    parseClassParameters(parameters);
    if (modes.some(isWriter)) requireWriterNode(record, pools);
  } catch (error) {
    return { message: DriverError.from(error).message };
  }
  const own: Readonly<Record<string, string>> = wireVolume(record).volumeContext;
  const odd = Object.entries(volumeContext).find(
    ([key, value]) => Object.hasOwn(own, key) && own[key] !== value,
  );
  if (odd !== undefined) return { message: `volume_context.${odd[0]} is not this volume's` };
  return { confirmed: { volumeContext: { ...volumeContext }, volumeCapabilities, parameters } };
}

/** What no node can do now is not confirmed. @throws {DriverError} writes-refused */
function requireWriterNode({ spec }: VolumeRecord, pools: readonly PoolFacts[]): void {
  const nodes = pools.find(({ uuid }) => uuid === spec.poolUuid)?.nodes ?? [];
  const refusal = writersRefusal({ name: spec.poolName, nodes }, spec.access);
  if (refusal !== undefined) throw refusal;
}

function healthOf(
  { spec, status }: VolumeRecord,
  pools: readonly PoolFacts[],
): { volumeId: string; healthStatuses: HealthEntry[] } {
  const pool = pools.find(({ uuid }) => uuid === spec.poolUuid);
  const problems = [status.problem, pool?.problem].filter((problem) => problem !== undefined);
  const missing = {
    reason: 'pool-not-found',
    message: `No node reports pool ${spec.poolName} (${spec.poolUuid}).`,
  };
  return {
    volumeId: spec.volumeId,
    healthStatuses: volumeHealthEntries(pool === undefined ? [missing] : problems),
  };
}
