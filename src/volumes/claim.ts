// The claim that a volume is made for, as far as the orchestrator says: for whoever wants to tell its owner something. Nothing is
// decided by it.
import { DriverError } from '../errors.ts';

/** A PersistentVolumeClaim. */
export interface ClaimReference {
  readonly namespace: string;
  readonly name: string;
}

/** What external-provisioner adds to the parameters with --extra-create-metadata. */
const nameKey = 'csi.storage.k8s.io/pvc/name';
const namespaceKey = 'csi.storage.k8s.io/pvc/namespace';

const objectName = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;
const namespaceName = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * The claim among the parameters of a CreateVolume; undefined when there is none.
 * @throws DriverError `invalid-argument` for names that no claim can have
 */
export function parseClaim(parameters: Readonly<Record<string, string>>): ClaimReference | undefined {
  const [namespace, name] = [parameters[namespaceKey], parameters[nameKey]];
  if (namespace === undefined || name === undefined) return undefined;
  if (!namespaceName.test(namespace)) throw refusal(namespaceKey, namespace);
  if (!objectName.test(name)) throw refusal(nameKey, name);
  return { namespace, name };
}

const uidAtTheEnd = /-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

/** The uid of the claim, with which external-provisioner ends the name of its volume unless it is told otherwise. */
export function claimUidOf(volumeName: string): string | undefined {
  return uidAtTheEnd.exec(volumeName)?.[1];
}

function refusal(key: string, value: string): DriverError {
  return new DriverError(
    'invalid-argument',
    `the parameter ${key} is ${JSON.stringify(value.slice(0, 80))}, which no claim is called`,
  );
}
