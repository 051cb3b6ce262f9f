// What of an object Kubernetes lets nobody change once it is there: what one release of the chart says, every later one has to say,
// or its upgrade is refused. Knows no chart.
import type { RenderedObject } from './helm.ts';

/** Fields below `spec` of the CSIDriver that are immutable (storage.k8s.io/v1). */
export const csiDriverFieldsForGood = ['attachRequired', 'volumeLifecycleModes'] as const;

/** The fields for good of an object, by their names; empty for kinds that can be changed in everything. */
export function fieldsForGood({ kind, spec, ...object }: RenderedObject): Readonly<Record<string, unknown>> {
  switch (kind) {
    case 'CSIDriver':
      return {
        attachRequired: spec.attachRequired,
        volumeLifecycleModes: [...spec.volumeLifecycleModes].sort(),
      };
    case 'DaemonSet':
    case 'Deployment':
      return { selector: spec.selector };
    case 'RoleBinding':
    case 'ClusterRoleBinding':
      return { roleRef: object.roleRef };
    case 'StorageClass': {
      const { provisioner, parameters, reclaimPolicy, volumeBindingMode } = object;
      return { provisioner, parameters, reclaimPolicy, volumeBindingMode };
    }
    case 'CustomResourceDefinition':
      return { group: spec.group, plural: spec.names.plural, kind: spec.names.kind, scope: spec.scope };
    default:
      return {};
  }
}
