// What is to be done next about a FamfsPool that asks this node for a mkfs. Pure: the record in FamfsNode, the mounter's view
// of the device, and nothing else, so that a process that was killed is followed by one that decides the same.
import type { ReportedFormat, ReportedProblem } from '../kubernetes/famfs-node.ts';
import type { FamfsPool } from '../kubernetes/famfs-pool.ts';
import { type NodeState, poolRole } from '../mounter/client.ts';

export type FormatStep =
  /** Nothing to do, for good or until something changes. */
  | { readonly kind: 'rest' }
  /** Put this into FamfsNode. With `Formatting` the command comes after that. */
  | { readonly kind: 'record'; readonly format: ReportedFormat }
  /** `Formatting` is recorded; run the command. */
  | { readonly kind: 'format'; readonly format: ReportedFormat };

/**
 * @param pool a FamfsPool that asks this node for a mkfs
 * @param formats everything that is recorded in FamfsNode.status.formats
 * @param state the mounter's
 */
export function nextFormatStep(
  pool: FamfsPool,
  formats: readonly ReportedFormat[],
  state: NodeState | undefined,
): FormatStep {
  const device = pool.spec.format?.device;
  const poolUID = pool.metadata.uid;
  if (device === undefined || poolUID === undefined || state?.settled !== true) return { kind: 'rest' };
  const format = { pool: pool.metadata.name, poolUID, device };
  const recorded = formats.find((each) => each.poolUID === poolUID);
  if (recorded?.phase === 'Formatted' || isForGood(recorded)) return { kind: 'rest' };
  if (recorded?.phase === 'Formatting') return resumed(recorded, formats, state);
  const problem = refusalOf(device, state);
  if (problem === undefined) return { kind: 'record', format: { ...format, phase: 'Formatting' } };
  if (recorded?.problem?.message === problem.message) return { kind: 'rest' };
  return { kind: 'record', format: { ...format, phase: 'Refused', problem } };
}

/**
 * A refusal that stands whatever becomes of the device: it carried a file system, and one that is seen no more may be back
 * tomorrow. Every other one is looked at again.
 */
export function isForGood(format: ReportedFormat | undefined): boolean {
  return format?.phase === 'Refused' && format.problem?.reason === 'device-not-empty';
}

/** `Formatting` was recorded, and whether the command ran is to be seen on the device. */
function resumed(
  format: ReportedFormat,
  formats: readonly ReportedFormat[],
  { devices, pools }: NodeState,
): FormatStep {
  const uuid = devices.find(({ name }) => name === format.device)?.poolUuid ?? '';
  if (uuid === '') return { kind: 'format', format };
  const others = formats.filter(({ poolUID }) => poolUID !== format.poolUID);
  const pool = pools.find((each) => each.uuid === uuid);
  if (others.some(({ fileSystemUUID }) => fileSystemUUID === uuid))
    return refuse(format, carries(format, uuid));
  if (pool?.role === poolRole.ROLE_CLIENT) return refuse(format, carries(format, uuid, ' of another node'));
  if (pool?.role !== poolRole.ROLE_MASTER) return { kind: 'rest' };
  const { problem: _none, ...rest } = format;
  return { kind: 'record', format: { ...rest, phase: 'Formatted', fileSystemUUID: uuid } };
}

function refusalOf(device: string, { devices, allowFormat }: NodeState): ReportedProblem | undefined {
  const found = devices.find(({ name }) => name === device);
  if (found === undefined) {
    const names = devices.map(({ name }) => name).join(', ') || 'none';
    return {
      reason: 'device-not-found',
      message: `This node has no device ${device}; it has ${names}. When it appears, it is formatted.`,
    };
  }
  if (found.poolUuid !== '') return carries({ device }, found.poolUuid);
  if (found.problem?.reason === 'device-unsuitable') return found.problem;
  if (allowFormat !== 'never') return undefined;
  return {
    reason: 'format-refused',
    message: `This node formats nothing (--allow-format=never), so ${device} is not formatted. Set --allow-format to once on the mounter for as long as it takes.`,
  };
}

/** @param whose what is said of the file system after its UUID */
function carries({ device }: { readonly device: string }, uuid: string, whose = ' already'): ReportedProblem {
  return {
    reason: 'device-not-empty',
    message: `Device ${device} carries the famfs file system ${uuid}${whose}, and is not formatted again. To use that one, make a FamfsPool with spec.fileSystemUUID instead.`,
  };
}

function refuse(format: ReportedFormat, problem: ReportedProblem): FormatStep {
  return { kind: 'record', format: { ...format, phase: 'Refused', problem } };
}
