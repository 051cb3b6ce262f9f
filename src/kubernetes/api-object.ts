// What every object of the API server has that this driver reads, and the conventions its own kinds keep. Knows no kind.

/** The group and version of this driver's own kinds (charts/famfs-csi/files/crds). */
export const apiGroup = 'famfs.io';
export const apiVersion = `${apiGroup}/v1alpha1`;

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

export interface ObjectMeta {
  readonly name: string;
  /** Missing for kinds of the whole cluster. */
  readonly namespace?: string;
  readonly uid?: string;
  /** Changes with every write; a write that names it loses against whoever was quicker (409). */
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly finalizers?: readonly string[];
  readonly ownerReferences?: readonly OwnerReference[];
}

export interface ApiObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
}

/** Kubernetes API conventions, "Typical status properties". Kept as a list with one entry a type. */
export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  /** One word in CamelCase for programs. */
  readonly reason: string;
  /** A sentence for people. */
  readonly message: string;
  /** RFC 3339; when `status` became what it is. */
  readonly lastTransitionTime: string;
  readonly observedGeneration?: number;
}
