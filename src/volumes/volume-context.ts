// What a PersistentVolume's volumeAttributes may say: which pool, which directory, whether writes are meant. Knows
// no CSI message and no node.

import { didYouMean } from '../errors/closest-name.ts';
import { DriverError } from '../errors.ts';
import type { PoolPath, PoolUuid } from './ids.ts';
import { parsePoolPath, parsePoolUuid } from './pool-path.ts';

/** Whether the volume's owner means it to be written; `rw-safe`: only where a writer cannot stop the pool. */
export type VolumeAccess = 'ro' | 'rw' | 'rw-safe';

export interface VolumeContext {
  readonly pool: PoolUuid;
  readonly path: PoolPath;
  readonly access: VolumeAccess;
}

/** What a volume says about itself; nothing of it is a secret. */
export const volumeContextKeys = ['pool', 'path', 'access'] as const;

/** Kubernetes adds these itself: about the pod (podInfoOnMount), and the provisioner's name. */
const foreignKeyPrefix = 'csi.storage.k8s.io/';
const foreignKeys: ReadonlySet<string> = new Set(['storage.kubernetes.io/csiProvisionerIdentity']);

/** Kubelet sets it to "true" when a pod wrote the volume inline instead of claiming one. */
const inlineKey = 'csi.storage.k8s.io/ephemeral';

/**
 * Reads the attributes of a volume.
 * @throws {DriverError} inline-refused for a pod's inline volume (whoever may create a pod could name any pool in
 * it), invalid-argument or path-too-long for anything else that is wrong.
 */
export function parseVolumeContext(attributes: Readonly<Record<string, string>>): VolumeContext {
  if (attributes[inlineKey] === 'true') {
    throw new DriverError(
      'inline-refused',
      'inline volumes are not served: a pod must not choose pools and paths by itself; claim a PersistentVolume',
    );
  }
  for (const key of Object.keys(attributes)) {
    if (key.startsWith(foreignKeyPrefix) || foreignKeys.has(key)) continue;
    if (!volumeContextKeys.some((own) => own === key)) {
      throw new DriverError(
        'invalid-argument',
        `volume_context has the unknown key ${JSON.stringify(key.slice(0, 80))}; known are ` +
          `${volumeContextKeys.join(', ')}.${didYouMean(key, volumeContextKeys)}`,
      );
    }
  }
  return {
    pool: parsePoolUuid(requiredKey(attributes, 'pool'), 'volume_context.pool'),
    path: parsePoolPath(requiredKey(attributes, 'path'), 'volume_context.path'),
    access: parseAccess(attributes.access),
  };
}

function requiredKey(attributes: Readonly<Record<string, string>>, key: 'pool' | 'path'): string {
  const value = Object.hasOwn(attributes, key) ? attributes[key] : undefined;
  if (value === undefined || value === '') {
    throw new DriverError(
      'invalid-argument',
      `volume_context.${key} is missing; a volume names {pool: <UUID>, path: <directory in the pool>}`,
    );
  }
  return value;
}

function parseAccess(text: string | undefined): VolumeAccess {
  if (text === undefined || text === 'ro') return 'ro';
  if (text === 'rw' || text === 'rw-safe') return text;
  throw new DriverError(
    'invalid-argument',
    `volume_context.access is ro, rw or rw-safe, not ${JSON.stringify(text.slice(0, 40))}`,
  );
}
