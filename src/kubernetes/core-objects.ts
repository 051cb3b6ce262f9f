// The parts of Kubernetes' own objects that this driver reads. Knows nothing of what is done with them.
import type { ApiObject } from './api-object.ts';

/** v1.Taint */
export interface Taint {
  readonly key: string;
  readonly value?: string;
  readonly effect: string;
  readonly timeAdded?: string;
}

/** v1.Node */
export interface NodeObject extends ApiObject {
  readonly spec?: { readonly taints?: readonly Taint[] };
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

/** storage.k8s.io/v1.CSINode, named like its Node */
export interface CsiNodeObject extends ApiObject {
  readonly spec?: {
    readonly drivers?:
      | readonly { readonly name: string; readonly topologyKeys?: readonly string[] | null }[]
      | null;
  };
}

/** A Node without what nobody here reads: its images alone weigh tens of KiB. */
export function slimNode({ apiVersion, kind, metadata, spec, status }: NodeObject): NodeObject {
  const { name, uid, resourceVersion, labels } = metadata;
  const ready = status?.conditions?.filter(({ type }) => type === 'Ready');
  return {
    apiVersion,
    kind,
    metadata: { name, ...defined({ uid, resourceVersion, labels }) },
    spec: { taints: spec?.taints ?? [] },
    status: { conditions: (ready ?? []).map(({ type, status: isReady }) => ({ type, status: isReady })) },
  };
}

/** Whether kubelet is heard of, and says that the node works. */
export function isNodeReady({ status }: NodeObject): boolean {
  return status?.conditions?.some((each) => each.type === 'Ready' && each.status === 'True') === true;
}

function defined<T extends object>(given: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(given).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> };
}
