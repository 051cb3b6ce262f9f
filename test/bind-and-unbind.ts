// What a SupervisedThread does in test/system-call-faults.test.ts: the mounter's bind and unbind, as they are.
import { bindPath } from '../src/mounter/bind.ts';
import { BindRecords } from '../src/mounter/bind-record.ts';
import type { BindOrder } from '../src/mounter/pool-verbs.ts';
import { unbindTarget } from '../src/mounter/unbind.ts';

export interface Places {
  readonly poolUuid: string;
  readonly mountPath: string;
  readonly allowedRoots: readonly string[];
  readonly recordDirectory: string;
}

export type Work = Places &
  (
    | { readonly verb: 'bind'; readonly order: BindOrder }
    | { readonly verb: 'unbind'; readonly target: string }
  );

let records: BindRecords | undefined;

/** Of a writable bind, the file that pods may write. */
export const writableFile = 'weights';

export function serve(work: unknown): unknown {
  const { poolUuid, mountPath, allowedRoots, recordDirectory, ...what } = work as Work;
  records ??= new BindRecords(recordDirectory);
  if (what.verb === 'unbind') return unbindTarget(what.target, '', allowedRoots, records);
  const files = what.order.writable ? [writableFile] : [];
  return bindPath({ poolUuid, mountPath, allowedRoots, records }, what.order, files);
}
