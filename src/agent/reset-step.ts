// What this node is to do next about a FamfsPool that is being reset (docs/adr/0018). Pure: FamfsPool.status.reset, what is
// recorded in FamfsNode, and the mounter's view, so that a process that was killed is followed by one that decides the same.
import type { ReportedFormat, ReportedProblem } from '../kubernetes/famfs-node.ts';
import type { FamfsPool, FamfsPoolReset } from '../kubernetes/famfs-pool.ts';
import { type NodeState, type Pool, poolPhase, poolRole } from '../mounter/client.ts';

export type ResetStep =
  /** Nothing to do until something changes. */
  | { readonly kind: 'rest' }
  /** Take the mount of the pool down and keep it down, also when it is down already; `answer` tells that it was done. */
  | { readonly kind: 'hold'; readonly answer: ReportedFormat }
  /** Put this into FamfsNode. With `Formatting` the command comes after that. */
  | { readonly kind: 'record'; readonly format: ReportedFormat }
  /** `Formatting` is recorded, and the device carries the former file system still; run the command. */
  | { readonly kind: 'format'; readonly format: ReportedFormat }
  /** Take out of FamfsNode what nobody waits for any more. */
  | { readonly kind: 'forget' };

const rest: ResetStep = { kind: 'rest' };

/**
 * @param formats everything that is recorded in FamfsNode.status.formats
 * @param state the mounter's
 * @param node the name of this node
 */
export function nextResetStep(
  pool: FamfsPool,
  formats: readonly ReportedFormat[],
  state: NodeState | undefined,
  node: string,
): ResetStep {
  const { uid } = pool.metadata;
  const reset = pool.status?.reset;
  const recorded = formats.find(({ poolUID }) => poolUID === uid);
  if (uid === undefined) return rest;
  if (!isOut(reset)) {
    const isSpent = recorded?.replaces !== undefined && recorded.phase !== 'Formatted';
    return isSpent ? { kind: 'forget' } : rest;
  }
  const { attempt, fileSystemUUID: replaces, phase } = reset;
  const answer = recorded?.attempt === attempt && recorded?.replaces === replaces ? recorded : undefined;
  if (state?.settled !== true || answer?.phase === 'Refused' || answer?.phase === 'Formatted') return rest;
  const seen = poolOf(state, replaces);
  const begun: ReportedFormat = {
    ...{ pool: pool.metadata.name, poolUID: uid, device: seen?.device ?? '', phase: 'Formatting', replaces },
    ...(attempt === undefined ? {} : { attempt }),
  };
  const isFormatter = pool.spec.format?.nodeName === node;
  const isBegun = answer?.phase === 'Formatting';
  if (isFormatter && state.allowFormat !== 'reset' && !isBegun)
    return refuse(begun, unwilling(state.allowFormat));
  // What the mounter said last may be from before this attempt; only what it answers now counts for it.
  if (seen !== undefined && (!seen.held || answer === undefined))
    return { kind: 'hold', answer: isBegun ? answer : { ...begun, phase: 'Released' } };
  if (phase === 'Releasing' || !isFormatter) return rest;
  if (isBegun) return resumed(answer, formats, state);
  if (seen === undefined) return refuse(begun, unseen(replaces));
  return { kind: 'record', format: begun };
}

/** Whether nodes are asked to let go, or have been and wait for what comes of it. */
export function isOut(reset: FamfsPoolReset | undefined): reset is FamfsPoolReset {
  return reset !== undefined && reset.phase !== 'Refused';
}

/** `Formatting` was recorded, and whether the command ran is to be seen on the device. */
function resumed(
  format: ReportedFormat,
  formats: readonly ReportedFormat[],
  { devices, pools }: NodeState,
): ResetStep {
  const device = devices.find(({ name }) => name === format.device);
  // It may carry the one or the other.
  if (device === undefined) return rest;
  const uuid = device.poolUuid;
  if (uuid === '' || uuid === format.replaces) return { kind: 'format', format };
  const isOthers = formats.some(
    ({ poolUID, fileSystemUUID }) => poolUID !== format.poolUID && fileSystemUUID === uuid,
  );
  const role = pools.find((each) => each.uuid === uuid)?.role;
  if (isOthers || role === poolRole.ROLE_CLIENT) return refuse(format, foreign(format, uuid));
  if (role !== poolRole.ROLE_MASTER) return rest;
  return { kind: 'record', format: { ...format, phase: 'Formatted', fileSystemUUID: uuid } };
}

function poolOf({ pools }: NodeState, uuid: string): Pool | undefined {
  return pools.find((each) => each.uuid === uuid && each.phase !== poolPhase.POOL_PHASE_LOST);
}

function refuse(format: ReportedFormat, problem: ReportedProblem): ResetStep {
  return { kind: 'record', format: { ...format, phase: 'Refused', problem } };
}

function unwilling(allowFormat: string): ReportedProblem {
  return {
    reason: 'format-refused',
    message: `This node does not format what carries a file system (--allow-format=${allowFormat}). Set --allow-format to reset on the mounter for as long as it takes.`,
  };
}

function unseen(uuid: string): ReportedProblem {
  return { reason: 'pool-not-found', message: `No device of this node carries the file system ${uuid} now.` };
}

function foreign({ device, replaces }: ReportedFormat, uuid: string): ReportedProblem {
  return {
    reason: 'pool-reformatted',
    message: `Device ${device} carries the file system ${uuid}, which somebody else made in the place of ${replaces}.`,
  };
}
