// Types of values that settings of the chart name by $ref, as JSON Schema. What Kubernetes itself checks is left to it.
import { parameterDescriptions } from '../../src/volumes/class-parameters.ts';

const text = { type: 'string' };

const labels = {
  type: 'object',
  additionalProperties: text,
};

const quantity = { type: ['string', 'integer'], pattern: '^[0-9]+(\\.[0-9]+)?([KMGTPE]i?|m|k)?$' };

const amounts = {
  type: ['object', 'null'],
  additionalProperties: { oneOf: [quantity, { type: 'null' }] },
};

const named = {
  name: { type: 'string', minLength: 1, maxLength: 253, description: 'Its name.' },
  labels: { $ref: '#/$defs/labels', description: 'Its labels.' },
  annotations: { $ref: '#/$defs/labels', description: 'Its annotations.' },
};

export const valueTypes: Readonly<Record<string, unknown>> = {
  labels,
  open: { type: 'object' },
  localObjectReference: {
    type: 'object',
    additionalProperties: false,
    required: ['name'],
    properties: { name: { type: 'string', minLength: 1, description: 'Name of the Secret.' } },
  },
  duration: { type: 'string', pattern: '^[0-9]{1,9}(\\.[0-9]{1,3})?(ms|s|m|h)$' },
  uuid: { type: 'string', pattern: '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' },
  resources: {
    type: 'object',
    additionalProperties: false,
    properties: {
      requests: { ...amounts, description: 'What is set aside.' },
      limits: { ...amounts, description: 'What is not exceeded.' },
      claims: { type: 'array', items: { type: 'object' }, description: 'Resource claims of the pod.' },
    },
  },
  pool: {
    type: 'object',
    additionalProperties: false,
    required: ['name'],
    oneOf: [{ required: ['fileSystemUUID'] }, { required: ['format'] }],
    properties: {
      ...named,
      fileSystemUUID: { $ref: '#/$defs/uuid', description: 'Adopts the file system with this UUID.' },
      format: {
        type: 'object',
        description: 'Has one made, once, on a device that carries none.',
        additionalProperties: false,
        required: ['nodeName', 'device'],
        properties: {
          nodeName: {
            type: 'string',
            minLength: 1,
            description: 'The node that does it; the master of the pool.',
          },
          device: {
            type: 'string',
            pattern: '^dax[0-9]+\\.[0-9]+$',
            description: 'The device, as that node calls it.',
          },
          logSize: { type: 'string', description: 'The size of the log, such as 64Mi.' },
        },
      },
      writes: { enum: ['Forbidden', 'Allowed', 'AllowedUnsafe'], description: 'Whether pods may write.' },
      deletedVolumes: {
        enum: ['Keep', 'Reuse'],
        description: 'What becomes of the memory of a deleted volume.',
      },
    },
  },
  storageClass: {
    type: 'object',
    additionalProperties: false,
    required: ['name'],
    properties: {
      ...named,
      default: { type: 'boolean', description: 'Whether claims that name no class get this one.' },
      reclaimPolicy: { enum: ['Delete', 'Retain'], description: 'What becomes of a volume without a claim.' },
      volumeBindingMode: {
        enum: ['WaitForFirstConsumer', 'Immediate'],
        description:
          'Whether a claim waits for a pod, so that it gets a pool which the node of that pod sees.',
      },
      mountOptions: { type: 'array', items: text, description: 'Mount options.' },
      allowedTopologies: { type: 'array', items: { type: 'object' }, description: 'Where volumes may be.' },
      parameters: {
        type: 'object',
        description: 'Parameters of the driver.',
        additionalProperties: false,
        properties: Object.fromEntries(
          parameterDescriptions.map(({ key, meaning }) => [
            key,
            { type: ['string', 'integer'], description: meaning },
          ]),
        ),
      },
    },
  },
};
