// How far the one mkfs of a pool is, out of what its node reports (FamfsPool.spec.format). Pure; asks for nothing.
import { isReason } from '../errors.ts';
import type { RecordProblem } from '../volumes/volume-record.ts';
import type { Verdict } from './conditions.ts';
import { conditionReason } from './conditions.ts';
import type { ReportedFormat } from './famfs-node.ts';
import type { FamfsPool } from './famfs-pool.ts';
import type { NodeReport } from './node-reports.ts';

export interface PoolFormatState {
  /** The file system that the pool is; undefined while there is none. */
  readonly uuid: string | undefined;
  /** Why there is none. */
  readonly problem: RecordProblem | undefined;
  /** The condition `Formatted`. */
  readonly verdict: Pick<Verdict, 'status' | 'reason' | 'message'>;
}

/** A UUID that the status has once stays: a pool is formatted once. */
export function formatStateOf(pool: FamfsPool, nodes: readonly NodeReport[]): PoolFormatState {
  const { spec, status, metadata } = pool;
  const { fileSystemUUID: adopted, format } = spec;
  const done = format === undefined ? undefined : doneBy(pool, nodes);
  const uuid = status?.fileSystemUUID ?? adopted ?? done?.fileSystemUUID;
  if (uuid !== undefined) {
    const [reason, message] =
      format === undefined
        ? ['Adopted', `The pool is the file system ${uuid}, which was there before.`]
        : ['Formatted', `Node ${format.nodeName} formatted ${format.device}; the file system is ${uuid}.`];
    return { uuid, problem: undefined, verdict: { status: 'True', reason, message } };
  }
  const where = `${format?.device} on node ${format?.nodeName}`;
  if (done?.phase === 'Refused') {
    const { reason: word = '', message = 'no reason was given' } = done.problem ?? {};
    const reason = isReason(word) ? word : 'internal';
    return unformatted(
      reason,
      `Pool ${metadata.name} has no file system: formatting ${where} was refused: ${message}`,
      conditionReason(reason),
    );
  }
  if (done !== undefined)
    return unformatted('pool-not-ready', `Node ${format?.nodeName} formats ${format?.device}.`, 'Formatting');
  const node = nodes.find(({ name }) => name === format?.nodeName);
  const waiting =
    node === undefined
      ? `node ${format?.nodeName} does not report; the pool waits for the driver on it`
      : node.absence === undefined
        ? `node ${format?.nodeName} is asked to format ${format?.device}`
        : `node ${format?.nodeName} ${node.absence}; the pool waits for it`;
  return unformatted(
    'pool-not-ready',
    `Pool ${metadata.name} has no file system yet: ${waiting}.`,
    'Waiting',
  );
}

function doneBy({ metadata, spec }: FamfsPool, nodes: readonly NodeReport[]): ReportedFormat | undefined {
  const node = nodes.find(({ name }) => name === spec.format?.nodeName);
  return node?.status.formats.find(({ poolUID }) => poolUID === metadata.uid);
}

function unformatted(problem: RecordProblem['reason'], message: string, reason: string): PoolFormatState {
  return {
    uuid: undefined,
    problem: { reason: problem, message },
    verdict: { status: 'False', reason, message },
  };
}
