// Pods of scenarios: what they have in common, so that a scenario says only what it is about. Must not know any scenario.
import type { Fields, KubeObject } from './kube-api.ts';

/** A volume of a pod and where it is mounted. */
export interface PodVolume {
  /** Of the claim; or the volume's source as in a pod's spec. */
  readonly claim: string | Fields;
  /** `/data` unless given. */
  readonly at?: string;
  readonly readOnly?: boolean;
  readonly subPath?: string;
  readonly subPathExpr?: string;
}

export interface PodWish {
  readonly name: string;
  readonly node?: string;
  readonly volumes?: readonly PodVolume[];
  /** `small`: a shell and small programs. `mapping`: a Node that can map files (see mapped-file.ts). */
  readonly image?: 'small' | 'mapping';
  /** Sleeps unless given. */
  readonly command?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Of the pod, such as `{ runAsUser: 1000, fsGroup: 2000 }`. */
  readonly securityContext?: Fields;
  readonly labels?: Readonly<Record<string, string>>;
  /** Further fields of the pod's spec. */
  readonly spec?: Fields;
}

export interface Images {
  readonly smallImage: string;
  readonly driverImage: string;
}

/** The configuration map that holds the program of mapping pods; each namespace of a scenario has it. */
export const programsOfPods = 'programs-of-pods';

/** The pod's spec, on its own for what makes pods itself, such as a Deployment. */
export function podSpec(wish: Omit<PodWish, 'name' | 'labels'>, images: Images): Fields {
  const { node, volumes = [], image = 'small', command, env = {}, securityContext, spec } = wish;
  const maps = image === 'mapping';
  return {
    terminationGracePeriodSeconds: 0,
    ...(node === undefined ? {} : { nodeSelector: { 'kubernetes.io/hostname': node } }),
    ...(securityContext === undefined ? {} : { securityContext }),
    containers: [
      {
        name: 'main',
        image: maps ? images.driverImage : images.smallImage,
        imagePullPolicy: 'IfNotPresent',
        command: command ?? (maps ? ['/bin/sleep', 'infinity'] : ['sleep', '1000000']),
        env: Object.entries(env).map(([name, value]) => ({ name, value })),
        volumeMounts: [
          ...volumes.map(({ claim: _, at, ...mount }, index) => ({
            name: `v${index}`,
            mountPath: at ?? '/data',
            ...mount,
          })),
          ...(maps ? [{ name: 'programs', mountPath: '/e2e' }] : []),
        ],
      },
    ],
    volumes: [
      ...volumes.map(({ claim, readOnly }, index) => ({
        name: `v${index}`,
        ...(typeof claim === 'string'
          ? { persistentVolumeClaim: { claimName: claim, ...(readOnly && { readOnly }) } }
          : claim),
      })),
      ...(maps ? [{ name: 'programs', configMap: { name: programsOfPods } }] : []),
    ],
    ...spec,
  };
}

export function podObject(wish: PodWish, namespace: string, images: Images): KubeObject {
  const { name, labels, ...rest } = wish;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, ...(labels && { labels }) },
    spec: podSpec(rest, images),
  };
}
