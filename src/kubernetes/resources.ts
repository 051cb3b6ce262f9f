// The kinds that this driver reads or writes, and where the API server keeps them. Knows nothing of what is in them.
import { DriverError } from '../errors.ts';
import { apiGroup } from './api-object.ts';

/** One kind as the API server serves it. */
export interface ApiResource {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  /** In lower case, as in a URL. */
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

/** An object by its name, or a list when no name is given. */
export interface ObjectPlace {
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  /** Such as `status`. */
  readonly subresource?: string | undefined;
}

const own = { group: apiGroup, version: 'v1alpha1', namespaced: false } as const;
const core = { group: '', version: 'v1' } as const;
const storage = { group: 'storage.k8s.io', version: 'v1', namespaced: false } as const;

export const famfsPools: ApiResource = { ...own, plural: 'famfspools', kind: 'FamfsPool' };
export const famfsNodes: ApiResource = { ...own, plural: 'famfsnodes', kind: 'FamfsNode' };
export const famfsVolumes: ApiResource = { ...own, plural: 'famfsvolumes', kind: 'FamfsVolume' };

export const nodes: ApiResource = { ...core, plural: 'nodes', kind: 'Node', namespaced: false };
export const events: ApiResource = { ...core, plural: 'events', kind: 'Event', namespaced: true };
export const persistentVolumes: ApiResource = {
  ...core,
  plural: 'persistentvolumes',
  kind: 'PersistentVolume',
  namespaced: false,
};
export const persistentVolumeClaims: ApiResource = {
  ...core,
  plural: 'persistentvolumeclaims',
  kind: 'PersistentVolumeClaim',
  namespaced: true,
};

export const leases: ApiResource = {
  group: 'coordination.k8s.io',
  version: 'v1',
  plural: 'leases',
  kind: 'Lease',
  namespaced: true,
};

export const csiNodes: ApiResource = { ...storage, plural: 'csinodes', kind: 'CSINode' };
export const storageClasses: ApiResource = { ...storage, plural: 'storageclasses', kind: 'StorageClass' };

/** `metadata.apiVersion` of the objects of a kind, such as "famfs.io/v1alpha1" or "v1". */
export function apiVersionOf({ group, version }: ApiResource): string {
  return group === '' ? version : `${group}/${version}`;
}

/**
 * The path of an object, or of a list, in the API server's URLs (Kubernetes API concepts, "Resource URIs"). A kind that
 * has namespaces is listed in all of them when none is given.
 * @throws DriverError `invalid-argument` for a name that cannot be one
 */
export function pathOf(resource: ApiResource, { namespace, name, subresource }: ObjectPlace = {}): string {
  const root = resource.group === '' ? '/api' : `/apis/${resource.group}`;
  const inside = resource.namespaced && namespace !== undefined ? `/namespaces/${segment(namespace)}` : '';
  const object = name === undefined ? '' : `/${segment(name)}`;
  const part = subresource === undefined ? '' : `/${subresource}`;
  return `${root}/${resource.version}${inside}/${resource.plural}${object}${part}`;
}

/** A name as one step of a path: what comes from outside never becomes another path. */
function segment(name: string): string {
  if (/^[.]*$/.test(name)) {
    throw new DriverError('invalid-argument', `${JSON.stringify(name)} is no name of an object.`);
  }
  return encodeURIComponent(name);
}
