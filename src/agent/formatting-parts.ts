// What those who format for FamfsPools share: what they work with, how they record what came of it, and which failures leave it open
// whether the command ran. Does nothing by itself.
import { DriverError, type Reason } from '../errors.ts';
import type { FamfsNode, ReportedFormat } from '../kubernetes/famfs-node.ts';
import type { FamfsPool } from '../kubernetes/famfs-pool.ts';
import type { MounterClient } from '../mounter/client.ts';
import type { Logger } from '../observe/logger.ts';
import type { Retries } from '../pace/retries.ts';
import { isForGood } from './format-step.ts';
import type { NodeReporter } from './node-reporter.ts';

/** What the API server has this moment, asked and not from a cache. */
export interface PresentObjects {
  pool(name: string, signal: AbortSignal): Promise<FamfsPool | undefined>;
  nodes(signal: AbortSignal): Promise<readonly FamfsNode[]>;
  /** Whether the cluster has a Node of that name. */
  hasNode(name: string, signal: AbortSignal): Promise<boolean>;
}

/** The FamfsPools of the cluster, followed. */
export interface PoolObjects {
  /** All that are known have been read once. */
  synced(signal?: AbortSignal): Promise<void>;
  list(): readonly FamfsPool[];
  onChange(listener: () => void): () => void;
}

/** FormatDevice of the mounter. */
export interface FormatOrder {
  readonly device: string;
  readonly logSizeBytes: bigint;
  /** Empty: the device is proven to carry nothing. */
  readonly replaceUuid: string;
}

export interface FormattingParts {
  readonly pools: PoolObjects;
  readonly reports: Pick<NodeReporter, 'formats' | 'recordFormats'>;
  readonly mounter: Pick<MounterClient, 'view' | 'onChange'>;
  /** The mounter's verb FormatDevice. @returns the UUID of the file system */
  readonly format: (order: FormatOrder, signal: AbortSignal) => Promise<string>;
  /** The mounter's verb ReleasePool. */
  readonly release: (poolUuid: string, hold: boolean, signal: AbortSignal) => Promise<void>;
  readonly present: PresentObjects;
  readonly node: string;
  readonly log: Logger;
}

/** After these nobody knows whether the command ran: the device is looked at before anything else is done. */
const doubtful: ReadonlySet<Reason> = new Set([
  ...(['mounter-unavailable', 'deadline-exceeded', 'cancelled', 'shutting-down', 'internal'] as const),
  // Nothing was asked of the mounter yet.
  ...(['api-unavailable', 'operation-pending'] as const),
]);

/** With an earlier command in doubt, what stands in the way of the next may be its work: the mounter's next look tells. */
const perhapsOurs: ReadonlySet<Reason> = new Set([
  ...(['device-not-empty', 'pool-reformatted', 'device-in-use', 'pool-in-use'] as const),
  ...(['pool-held-elsewhere', 'pool-busy'] as const),
]);

export function isInDoubt(reason: Reason): boolean {
  return doubtful.has(reason);
}

/** A mkfs that was begun and did not come to its end. */
export interface FailedFormat {
  /** As it was recorded, or was about to be. */
  readonly format: ReportedFormat;
  /** No command that was recorded before may have run. */
  readonly isFirst: boolean;
  /** For the log. */
  readonly message: string;
  readonly error: unknown;
}

/** Records the refusal, unless it is open whether the command ran, and when it is tried again. */
export async function recordFailure(
  { reports, log }: Pick<FormattingParts, 'reports' | 'log'>,
  retries: Retries,
  { format, isFirst, message: what, error }: FailedFormat,
): Promise<void> {
  const { reason, message } = DriverError.from(error);
  log.warn(what, { pool: format.pool, device: format.device, reason, problem: message });
  const refused: ReportedFormat = { ...format, phase: 'Refused', problem: { reason, message } };
  if (isForGood(refused)) retries.clear(format.poolUID);
  else retries.later(format.poolUID);
  const isOpen = isInDoubt(reason) || (!isFirst && perhapsOurs.has(reason));
  if (!isOpen) await recordFormat(reports, refused);
}

/** Puts into FamfsNode what there is to say of a FamfsPool, in the place of what was said before. */
export async function recordFormat(
  reports: Pick<NodeReporter, 'formats' | 'recordFormats'>,
  format: ReportedFormat,
): Promise<void> {
  const others = (reports.formats ?? []).filter(({ poolUID }) => poolUID !== format.poolUID);
  await reports.recordFormats([...others, format]);
}
