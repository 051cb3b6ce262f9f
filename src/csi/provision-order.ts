// Turns a CreateVolumeRequest into what provisioning is asked, or refuses it with the field's name. Pure.
import { DriverError } from '../errors.ts';
import { sizeText } from '../size-text.ts';
import { type AccessMode, isWriter } from '../volumes/access.ts';
import { parseClaim } from '../volumes/claim.ts';
import { parseClassParameters } from '../volumes/class-parameters.ts';
import type { PoolTopology } from '../volumes/pool-choice.ts';
import type { VolumeWish } from '../volumes/provisioner.ts';
import type { SizeRange } from '../volumes/slot-layout.ts';
import { checkedMap, checkedString } from './fields.ts';
import type { CreateVolumeRequest, Topology, VolumeCapability } from './protocol.ts';
import { poolsOfTopology } from './topology.ts';
import { parseCapability } from './volume-capability.ts';

/**
 * Reads a request for a volume.
 * @throws {DriverError} invalid-argument, or size-out-of-range for a range that no number is in
 */
export function parseCreateRequest(request: CreateVolumeRequest): VolumeWish {
  const name = checkedString(request.name, 'name');
  if (name === '') throw refusal('name is missing');
  checkedMap(request.secrets, 'secrets', { secret: true });
  if (Object.keys(checkedMap(request.mutableParameters, 'mutable_parameters')).length > 0)
    throw refusal('mutable_parameters are not served: what famfs has made does not change');
  if (request.volumeContentSource != null)
    throw refusal('volume_content_source is not served: volumes begin empty');
  const modes = parseCapabilities(request.volumeCapabilities);
  const parameters = checkedMap(request.parameters, 'parameters');
  return {
    name,
    parameters: parseClassParameters(parameters),
    claim: parseClaim(parameters),
    range: parseRange(request.capacityRange),
    topology: parseTopology(request.accessibilityRequirements),
    hasWriter: modes.some(isWriter),
  };
}

/**
 * Reads capabilities, of which there has to be one at least.
 * @returns their access modes
 * @throws {DriverError} invalid-argument
 */
export function parseCapabilities(capabilities: readonly VolumeCapability[]): readonly AccessMode[] {
  if (capabilities.length === 0) throw refusal('volume_capabilities is missing');
  return capabilities.map((capability) => parseCapability(capability).mode);
}

function parseRange(
  range: { readonly requiredBytes: bigint; readonly limitBytes: bigint } | null | undefined,
): SizeRange {
  const { requiredBytes = 0n, limitBytes = 0n } = range ?? {};
  if (requiredBytes < 0n || limitBytes < 0n) throw refusal('capacity_range holds a negative number of bytes');
  if (limitBytes > 0n && requiredBytes > limitBytes) {
    throw new DriverError(
      'size-out-of-range',
      `capacity_range requires ${sizeText(requiredBytes)}, above its own limit of ${sizeText(limitBytes)}`,
    );
  }
  return { requiredBytes, limitBytes };
}

function parseTopology(
  requirement:
    | { readonly requisite: readonly Topology[]; readonly preferred: readonly Topology[] }
    | null
    | undefined,
): PoolTopology {
  const { requisite = [], preferred = [] } = requirement ?? {};
  const pools = (list: readonly Topology[]): string[] =>
    list.flatMap(({ segments }) => poolsOfTopology(checkedMap(segments, 'accessibility_requirements')));
  return {
    requisite: requisite.length === 0 ? undefined : new Set(pools(requisite)),
    preferred: [...new Set(pools(preferred))],
    places: (preferred.length > 0 ? preferred : requisite).map((place) => new Set(pools([place]))),
  };
}

function refusal(message: string): DriverError {
  return new DriverError('invalid-argument', message);
}
