// Holds the CRDs of the chart to the types that the driver reads and writes. The tables below say once more what the types
// say: the compiler refuses a table that differs from its type, and a test refuses a CRD that differs from the table.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { parse } from 'yaml';
import { projectRoot } from '../../tools/run-tool.ts';
import { maximumFileCount } from '../volumes/class-parameters.ts';
import type { ApiObject } from './api-object.ts';
import type { FamfsNode } from './famfs-node.ts';
import type { FamfsPool } from './famfs-pool.ts';
import type { FamfsVolume } from './famfs-volume.ts';
import { type ApiResource, famfsNodes, famfsPools, famfsVolumes } from './resources.ts';

/** A type as a value: nothing can be left out of it and nothing added. */
type Shape<V> = [V] extends [boolean]
  ? 'boolean'
  : [V] extends [number]
    ? 'integer'
    : [V] extends [string]
      ? string extends V
        ? 'string'
        : Readonly<Record<V, 'value'>>
      : [V] extends [readonly (infer Item)[]]
        ? readonly [Shape<Item>]
        : { readonly [K in keyof Required<V>]: readonly [Presence<V, K & keyof V>, Shape<Required<V>[K]>] };
type Presence<V, K extends keyof V> = Record<never, never> extends Pick<V, K> ? 'optional' : 'required';
type Own<T extends ApiObject> = Shape<Omit<T, keyof ApiObject>>;

const need = 'required';
const may = 'optional';

const condition = {
  type: [need, 'string'],
  status: [need, { True: 'value', False: 'value', Unknown: 'value' }],
  reason: [need, 'string'],
  message: [need, 'string'],
  lastTransitionTime: [need, 'string'],
  observedGeneration: [may, 'integer'],
} as const;
const problem = { reason: [need, 'string'], message: [need, 'string'] } as const;
const role = { Master: 'value', Client: 'value', Unknown: 'value' } as const;
const mode = { standalone: 'value', fuse: 'value', unknown: 'value' } as const;
const deletedVolumes = { Keep: 'value', Reuse: 'value' } as const;

const pool = {
  spec: [
    need,
    {
      fileSystemUUID: [may, 'string'],
      format: [may, { nodeName: [need, 'string'], device: [need, 'string'], logSize: [may, 'string'] }],
      writes: [need, { Forbidden: 'value', Allowed: 'value', AllowedUnsafe: 'value' }],
      deletedVolumes: [need, deletedVolumes],
    },
  ],
  status: [
    may,
    {
      fileSystemUUID: [may, 'string'],
      capacity: [
        may,
        {
          size: [need, 'string'],
          allocated: [need, 'string'],
          free: [need, 'string'],
          longestFreeRun: [need, 'string'],
          allocationUnit: [need, 'string'],
        },
      ],
      volumes: [
        may,
        {
          count: [need, 'integer'],
          live: [need, 'string'],
          kept: [need, 'string'],
          reusable: [need, 'string'],
        },
      ],
      logEntries: [may, { used: [need, 'integer'], total: [need, 'integer'] }],
      master: [may, 'string'],
      nodes: [
        may,
        [
          {
            name: [need, 'string'],
            device: [need, 'string'],
            role: [need, role],
            mounted: [need, 'boolean'],
            logEntriesReplayed: [need, 'integer'],
            problem: [may, problem],
          },
        ],
      ],
      nodesAway: [may, [{ name: [need, 'string'], message: [need, 'string'] }]],
      reset: [
        may,
        {
          fileSystemUUID: [need, 'string'],
          phase: [need, { Releasing: 'value', Formatting: 'value', Refused: 'value' }],
          attempt: [may, 'string'],
          since: [need, 'string'],
          problem: [may, problem],
        },
      ],
      conditions: [may, [condition]],
    },
  ],
} as const satisfies Own<FamfsPool>;

const node = {
  status: [
    may,
    {
      systemUUID: [need, 'string'],
      driverVersion: [need, 'string'],
      kernelRelease: [need, 'string'],
      mode: [need, mode],
      launcher: [need, 'string'],
      famfsLocation: [need, 'string'],
      allowWrites: [need, 'string'],
      allowFormat: [need, 'string'],
      devices: [
        need,
        [
          {
            name: [need, 'string'],
            path: [need, 'string'],
            size: [need, 'string'],
            driver: [may, 'string'],
            fileSystemUUID: [may, 'string'],
            problem: [may, problem],
          },
        ],
      ],
      pools: [
        need,
        [
          {
            uuid: [need, 'string'],
            device: [need, 'string'],
            phase: [
              need,
              { Found: 'value', Mounting: 'value', Ready: 'value', Unhealthy: 'value', Lost: 'value' },
            ],
            role: [need, role],
            mode: [need, mode],
            size: [need, 'string'],
            free: [need, 'string'],
            longestFreeRun: [need, 'string'],
            allocationUnit: [need, 'string'],
            logEntriesUsed: [need, 'integer'],
            logEntriesTotal: [need, 'integer'],
            logEntriesReplayed: [need, 'integer'],
            simulated: [need, 'boolean'],
            writers: [need, { never: 'value', safe: 'value', unsafe: 'value' }],
            held: [need, 'boolean'],
            binds: [need, 'integer'],
            boundPaths: [need, ['string']],
            problem: [may, problem],
          },
        ],
      ],
      publishedVolumeIDs: [need, ['string']],
      formats: [
        need,
        [
          {
            pool: [need, 'string'],
            poolUID: [need, 'string'],
            device: [need, 'string'],
            phase: [need, { Released: 'value', Formatting: 'value', Formatted: 'value', Refused: 'value' }],
            fileSystemUUID: [may, 'string'],
            replaces: [may, 'string'],
            attempt: [may, 'string'],
            problem: [may, problem],
          },
        ],
      ],
      reportedAt: [need, 'string'],
      conditions: [need, [condition]],
    },
  ],
} as const satisfies Own<FamfsNode>;

const volume = {
  spec: [
    need,
    {
      poolName: [need, 'string'],
      poolUUID: [need, 'string'],
      nodeName: [need, 'string'],
      slot: [need, 'string'],
      layout: [
        need,
        {
          kind: [need, { file: 'value', files: 'value' }],
          fileCount: [need, 'integer'],
          fileSize: [need, 'string'],
          fileMode: [need, 'string'],
          uid: [may, 'integer'],
          gid: [may, 'integer'],
        },
      ],
      claim: [may, { namespace: [need, 'string'], name: [need, 'string'] }],
      volume: [
        may,
        {
          name: [need, 'string'],
          id: [need, 'string'],
          requiredSize: [need, 'string'],
          limitSize: [may, 'string'],
          access: [need, { rw: 'value', 'rw-safe': 'value' }],
          deleting: [may, 'boolean'],
        },
      ],
      leftover: [
        may,
        {
          formerVolumeID: [need, 'string'],
          deletedVolumes: [need, deletedVolumes],
          promisedTo: [may, 'string'],
        },
      ],
    },
  ],
  status: [
    may,
    {
      phase: [
        need,
        {
          ...({ Pending: 'value', Creating: 'value', Zeroing: 'value', Ready: 'value' } as const),
          ...({ Kept: 'value', Scrubbing: 'value', Reusable: 'value' } as const),
        },
      ],
      filesMade: [may, 'integer'],
      zeroed: [may, 'string'],
      logEntries: [may, 'integer'],
      path: [may, 'string'],
      conditions: [may, [condition]],
    },
  ],
} as const satisfies Own<FamfsVolume>;

/** A schema as the CRDs have it, and a table as they are above. */
interface Schema {
  readonly type: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly items?: Schema;
  readonly maxItems?: number;
  readonly maximum?: number;
}
type Table = string | readonly [Table] | { readonly [key: string]: 'value' | readonly [string, Table] };

const kinds: readonly (readonly [ApiResource, Table])[] = [
  [famfsPools, pool],
  [famfsNodes, node],
  [famfsVolumes, volume],
];

for (const [resource, table] of kinds) {
  describe(`the CRD of ${resource.kind}`, () => {
    const crd = parse(
      readFileSync(
        path.join(projectRoot, 'charts/famfs-csi/files/crds', `famfs.io_${resource.plural}.yaml`),
        'utf8',
      ),
    );
    const schema: Schema = crd.spec.versions[0].schema.openAPIV3Schema;

    test('is of the group, version and names that the driver asks for', () => {
      assert.equal(crd.metadata.name, `${resource.plural}.${resource.group}`);
      assert.equal(crd.spec.group, resource.group);
      assert.deepEqual(
        crd.spec.versions.map(({ name }: { name: string }) => name),
        [resource.version],
      );
      assert.equal(crd.spec.names.kind, resource.kind);
      assert.equal(crd.spec.names.plural, resource.plural);
      assert.equal(crd.spec.scope, resource.namespaced ? 'Namespaced' : 'Cluster');
    });

    test('has exactly the fields of the type, as what it has them and as needed as there', () => {
      const { apiVersion, kind, metadata, ...own } = schema.properties ?? {};
      assert.deepEqual(
        [apiVersion, kind, metadata].map((each) => each?.type),
        ['string', 'string', 'object'],
      );
      assert.deepEqual(tableOf({ ...schema, properties: own }), table);
    });

    test('explains every field', () => {
      assert.deepEqual(unexplained(schema, ''), []);
    });

    test('bounds every list', () => {
      assert.deepEqual(
        fieldsOf(schema, '').filter(([, each]) => each.type === 'array' && each.maxItems === undefined),
        [],
      );
    });
  });
}

test('a record can say as many files as a class can', () => {
  const file = path.join(projectRoot, 'charts/famfs-csi/files/crds/famfs.io_famfsvolumes.yaml');
  const fields = fieldsOf(parse(readFileSync(file, 'utf8')).spec.versions[0].schema.openAPIV3Schema, '');
  for (const place of ['.spec.layout.fileCount', '.status.filesMade'])
    assert.equal(fields.find(([name]) => name === place)?.[1].maximum, maximumFileCount, place);
});

/** A field with a default is there whenever somebody reads it. */
function tableOf(schema: Schema): Table {
  if (schema.type === 'array') return [tableOf(schema.items ?? schema)];
  if (schema.enum !== undefined) return Object.fromEntries(schema.enum.map((value) => [value, 'value']));
  if (schema.type !== 'object') return schema.type;
  return Object.fromEntries(
    Object.entries(schema.properties ?? {}).map(([name, property]) => {
      const isThere = schema.required?.includes(name) === true || property.default !== undefined;
      return [name, [isThere ? need : may, tableOf(property)]];
    }),
  );
}

/** Every field below a schema, by its path such as `.spec.layout`; `[]` stands for the items of a list. */
function fieldsOf(schema: Schema, place: string): readonly (readonly [string, Schema])[] {
  const items: readonly (readonly [string, Schema])[] = schema.items
    ? [[`${place}[]`, schema.items], ...fieldsOf(schema.items, `${place}[]`)]
    : [];
  const properties = Object.entries(schema.properties ?? {}).flatMap(
    ([name, property]): readonly (readonly [string, Schema])[] => [
      [`${place}.${name}`, property],
      ...fieldsOf(property, `${place}.${name}`),
    ],
  );
  return [...items, ...properties];
}

function unexplained(schema: Schema, place: string): readonly string[] {
  const known = ['.apiVersion', '.kind', '.metadata'];
  const fields: readonly (readonly [string, Schema])[] = [['', schema], ...fieldsOf(schema, place)];
  return fields
    .filter(
      ([name, { description = '' }]) => !name.endsWith('[]') && !known.includes(name) && description === '',
    )
    .map(([name]) => name);
}
