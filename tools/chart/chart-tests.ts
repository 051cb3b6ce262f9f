// The chart as Helm sees and renders it: lint, records, and what of it must never change. Run by `npm run chart`.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { readConfig } from '../../src/config/options.ts';
import { agentRole, controllerRole, mounterRole, nodeRole } from '../../src/config.ts';
import { chartObjects } from '../../test/driver-objects.ts';
import { projectRoot } from '../run-tool.ts';
import { chartFolder, helmTemplate, noHelm, type RenderedObject, renderChart, runHelm } from './helm.ts';
import { goldenFiles, valueFile, valueSets } from './made-files.ts';
import { byKind, only } from './rendered-objects.ts';

type Values = Readonly<Record<string, unknown>>;

/** `{container: args}` of a workload. */
function argsOf(workload: RenderedObject): Readonly<Record<string, readonly string[]>> {
  const { containers, initContainers = [] } = workload.spec.template.spec;
  return Object.fromEntries(
    [...initContainers, ...containers].map(({ name, args }: { name: string; args: string[] }) => [
      name,
      args,
    ]),
  );
}

describe('the chart', { skip: noHelm }, () => {
  for (const name of valueSets) {
    test(`passes the lint of Helm with the values "${name}"`, () => {
      const { status, stdout, stderr } = runHelm([
        'lint',
        '--strict',
        chartFolder,
        '--values',
        valueFile(name),
      ]);
      assert.equal(status, 0, stdout + stderr);
    });
  }

  test('renders to what is recorded, for each set of values (npm run chart -- --write)', () => {
    for (const [file, text] of goldenFiles()) {
      const place = path.join(projectRoot, file);
      assert.ok(existsSync(place), file);
      assert.equal(text, readFileSync(place, 'utf8'), file);
    }
  });

  test('gives no right to everything of a kind or to do everything', () => {
    for (const name of valueSets) {
      const roles = renderChart({ valueFiles: [valueFile(name)] }).filter(({ kind }) =>
        /^(Cluster)?Role$/.test(kind),
      );
      assert.ok(roles.length > 0);
      for (const { metadata, rules } of roles) {
        for (const rule of rules) {
          const words = [...(rule.verbs ?? []), ...(rule.resources ?? []), ...(rule.apiGroups ?? [])];
          assert.deepEqual(
            words.filter((word: string) => word.includes('*') || word === 'secrets'),
            [],
            `${name}: ${metadata.name}`,
          );
        }
      }
    }
  });

  test('names nothing after the usual release where another one is asked for', () => {
    const objects = renderChart({ release: 'blue', namespace: 'elsewhere' });
    for (const object of objects) {
      const { kind, metadata } = object;
      if (kind === 'CustomResourceDefinition') continue;
      if (kind !== 'CSIDriver') assert.match(metadata.name, /^blue-famfs-csi/, `${kind} ${metadata.name}`);
      assert.ok([undefined, 'elsewhere'].includes(metadata.namespace), `${kind} ${metadata.name}`);
      const text = JSON.stringify({ ...object, metadata: {} });
      assert.doesNotMatch(text, /(?<!blue-)famfs-csi-(controller|node|mounter)/, `${kind} ${metadata.name}`);
      assert.doesNotMatch(
        text,
        /"namespace":"famfs-csi"|serviceaccount:famfs-csi:/,
        `${kind} ${metadata.name}`,
      );
    }
  });

  test('has the image by its digest, from another registry, when told so', () => {
    const digest = `sha256:${'0'.repeat(64)}`;
    const objects = renderChart({ values: { global: { imageRegistry: 'mirror:5000' }, image: { digest } } });
    const images = new Set(
      [...byKind(objects, 'Deployment'), ...byKind(objects, 'DaemonSet')].flatMap(({ spec }) =>
        spec.template.spec.containers.map(({ image }: { image: string }) => image),
      ),
    );
    assert.deepEqual(
      [...images].sort(),
      [
        `mirror:5000/famfs-csi/famfs-csi@${digest}`,
        'mirror:5000/sig-storage/csi-provisioner@sha256:a4b0b1a37605b7b04a293e136edf7006ec1786a8eb3f4e5a945f81d667dcc371',
      ].sort(),
    );
  });
});

describe('what the chart renders of its own files', { skip: noHelm }, () => {
  const withoutMetadata = ({
    metadata: { name, namespace },
    ...rest
  }: {
    metadata: RenderedObject['metadata'];
  }) => ({
    ...rest,
    metadata: namespace === undefined ? { name } : { name, namespace },
  });
  const objects = noHelm === false ? renderChart() : [];

  for (const folder of ['crds', 'rbac'] as const) {
    test(`is, for the usual release, what is in files/${folder}`, () => {
      for (const object of chartObjects(folder)) {
        const { kind, metadata } = object;
        assert.deepEqual(withoutMetadata(only(objects, kind, metadata.name)), withoutMetadata(object));
      }
    });
  }

  test('are API kinds that stay when the release goes, unless that is not wanted', () => {
    const crds = byKind(objects, 'CustomResourceDefinition');
    assert.equal(crds.length, chartObjects('crds').length);
    for (const { metadata } of crds) assert.equal(metadata.annotations?.['helm.sh/resource-policy'], 'keep');
    for (const { metadata } of byKind(
      renderChart({ values: { crds: { keep: false } } }),
      'CustomResourceDefinition',
    ))
      assert.equal(metadata.annotations, undefined);
    assert.deepEqual(
      byKind(renderChart({ values: { crds: { install: false } } }), 'CustomResourceDefinition'),
      [],
    );
  });

  test('are pools that come by a hook where their kind is not served yet, and never again', () => {
    const values = { pools: [{ name: 'a', fileSystemUUID: '4da8f6be-8dbd-4bfc-bad2-3c0f78ba87bf' }] };
    const annotations = (rendering: object) => {
      const pool = only(renderChart({ values, ...rendering }), 'FamfsPool', 'a');
      assert.deepEqual(pool.spec, { fileSystemUUID: values.pools[0]?.fileSystemUUID });
      return pool.metadata.annotations;
    };
    assert.deepEqual(annotations({}), {
      'helm.sh/hook': 'post-install',
      'helm.sh/hook-delete-policy': 'hook-failed',
      'helm.sh/resource-policy': 'keep',
      'meta.helm.sh/release-name': 'famfs-csi',
      'meta.helm.sh/release-namespace': 'famfs-csi',
    });
    for (const rendering of [{ isUpgrade: true }, { apiVersions: ['famfs.io/v1alpha1/FamfsPool'] }])
      assert.deepEqual(annotations(rendering), { 'helm.sh/resource-policy': 'keep' });
  });
});

describe('the workloads of the chart', { skip: noHelm }, () => {
  const objects = noHelm === false ? renderChart() : [];
  const workload = (kind: string, name: string) => only(objects, kind, name);

  test('give a token to the controller and to the agent alone', () => {
    const tokens = (object: RenderedObject) => {
      const { automountServiceAccountToken = true, containers, volumes } = object.spec.template.spec;
      const projected = volumes
        .filter((volume: { projected?: unknown }) => volume.projected !== undefined)
        .map((volume: { name: string }) => volume.name);
      return containers
        .filter(
          ({ volumeMounts }: { volumeMounts: { name: string }[] }) =>
            automountServiceAccountToken || volumeMounts.some((mount) => projected.includes(mount.name)),
        )
        .map(({ name }: { name: string }) => name);
    };
    assert.deepEqual(tokens(workload('Deployment', 'famfs-csi-controller')), [
      'controller',
      'csi-provisioner',
    ]);
    assert.deepEqual(tokens(workload('DaemonSet', 'famfs-csi-node')), ['agent']);
    assert.deepEqual(tokens(workload('DaemonSet', 'famfs-csi-mounter')), []);
  });

  test('leave the choice of users that are nobody to OpenShift, which takes no others', () => {
    const usersOf = (enabled: boolean) =>
      renderChart({ values: { openshift: { enabled }, tests: { storageClassName: 'famfs' } } })
        .filter(({ kind, metadata }) => kind === 'Pod' || metadata.name === 'famfs-csi-controller')
        .filter(({ kind }) => kind === 'Pod' || kind === 'Deployment')
        .map(({ kind, spec }) => (kind === 'Pod' ? spec : spec.template.spec).securityContext);
    const common = { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } };
    const own = { ...common, runAsUser: 65532, runAsGroup: 65532, fsGroup: 65532 };
    assert.deepEqual(usersOf(true), [common, common, common]);
    assert.deepEqual(usersOf(false), [own, own, own]);
  });

  test('let the node pods call the mounter, and not take its place', () => {
    const { containers } = workload('DaemonSet', 'famfs-csi-node').spec.template.spec;
    for (const { name, volumeMounts } of containers) {
      const sockets = volumeMounts.find((mount: { name: string }) => mount.name === 'sockets');
      assert.equal(sockets.readOnly, true, name);
    }
  });

  test('never run two node plugins on a node, and leave the mounter to whoever deletes it', () => {
    assert.deepEqual(workload('DaemonSet', 'famfs-csi-node').spec.updateStrategy, {
      type: 'RollingUpdate',
      rollingUpdate: { maxSurge: 0, maxUnavailable: '10%' },
    });
    assert.deepEqual(workload('DaemonSet', 'famfs-csi-mounter').spec.updateStrategy, { type: 'OnDelete' });
  });

  test('are given options that their programs take, with every set of values', () => {
    const environment: Readonly<Record<string, string>> = {
      KUBE_NODE_NAME: 'node-a',
      POD_NAMESPACE: 'storage',
    };
    /** As kubelet puts in variables. */
    const filled = (arg: string): string =>
      arg.replaceAll(/\$\((\w+)\)/g, (_, name) => environment[name] ?? '');
    const read: Readonly<Record<string, (argv: readonly string[]) => unknown>> = {
      controller: (argv) => readConfig(controllerRole, argv, environment),
      node: (argv) => readConfig(nodeRole, argv, environment),
      agent: (argv) => readConfig(agentRole, argv, environment),
      mounter: (argv) => readConfig(mounterRole, argv, environment),
    };
    const seen = new Set<string>();
    for (const name of valueSets) {
      const rendered = renderChart({ valueFiles: [valueFile(name)] });
      for (const object of [...byKind(rendered, 'Deployment'), ...byKind(rendered, 'DaemonSet')]) {
        for (const [container, [role = '', ...argv]] of Object.entries(argsOf(object))) {
          if (read[role] === undefined) continue;
          assert.equal(container, role);
          read[role](argv.map(filled));
          seen.add(role);
        }
      }
    }
    assert.deepEqual([...seen].sort(), Object.keys(read).sort());
  });

  test('tell the provisioner what this driver needs', () => {
    const args = argsOf(workload('Deployment', 'famfs-csi-controller'))['csi-provisioner'] ?? [];
    for (const flag of [
      ...['--strict-topology', '--immediate-topology=false', '--enable-capacity', '--leader-election'],
      ...['--capacity-ownerref-level=2', '--extra-create-metadata', '--controller-publish-readonly'],
    ])
      assert.ok(args.includes(flag), flag);
  });

  test('run all of the mounter on simulated memory when that is asked for, whatever is said of real memory', () => {
    const values = {
      simulator: { enabled: true },
      mounter: { famfsLocation: 'image', famfsBinDir: '/usr/bin' },
    };
    const mounter = only(renderChart({ values }), 'DaemonSet', 'famfs-csi-mounter');
    const args = argsOf(mounter);
    assert.ok(args.simulator?.includes('--device=dax0.0=8GiB'));
    assert.ok(args.mounter?.includes('--famfs-location=host'));
    assert.ok(args.mounter?.includes('--dev-root=/var/lib/famfs-csi/sim/nodes/$(KUBE_NODE_NAME)/dev'));
    assert.ok(!args.mounter?.includes('--famfs-bin-dir=/usr/bin'));
    const { volumes } = mounter.spec.template.spec;
    assert.ok(!volumes.some(({ hostPath }: { hostPath?: { path: string } }) => hostPath?.path === '/dev'));
  });

  test('give each replica of a pair room for the other to be away, and a larger set two at least', () => {
    const budget = (replicas: number) =>
      only(
        renderChart({ values: { controller: { replicas } } }),
        'PodDisruptionBudget',
        'famfs-csi-controller',
      ).spec;
    assert.equal(budget(1).maxUnavailable, 1);
    assert.equal(budget(2).maxUnavailable, 1);
    assert.equal(budget(3).minAvailable, 2);
  });
});

describe('values that the chart refuses', { skip: noHelm }, () => {
  const uuid = '4da8f6be-8dbd-4bfc-bad2-3c0f78ba87bf';
  const refused: readonly [string, Values, RegExp][] = [
    ['an unknown key at the top', { replicas: 3 }, /additional properties 'replicas' not allowed/],
    ['an unknown key of a group', { controller: { replica: 3 } }, /\/controller.*'replica'/s],
    [
      'an unknown key far below',
      { controller: { provisioner: { image: { sha: 'x' } } } },
      /\/provisioner\/image.*'sha'/s,
    ],
    ['a number as text', { controller: { replicas: '2' } }, /\/controller\/replicas/],
    ['no replica', { controller: { replicas: 0 } }, /\/controller\/replicas/],
    ['an unknown mode', { mounter: { mode: 'fast' } }, /\/mounter\/mode/],
    ['an unknown consent', { mounter: { allowFormat: 'always' } }, /\/mounter\/allowFormat/],
    ['writes that no node knows', { mounter: { allowWrites: true } }, /\/mounter\/allowWrites/],
    ['a relative folder of kubelet', { kubeletPath: 'var/lib/kubelet' }, /\/kubeletPath/],
    ['a tag as a digest', { image: { digest: 'v1' } }, /\/image\/digest/],
    ['a time-out without a unit', { controller: { provisioner: { timeout: '60' } } }, /\/timeout/],
    ['a pool without a name', { pools: [{ fileSystemUUID: uuid }] }, /\/pools\/0/],
    ['a pool that is neither adopted nor made', { pools: [{ name: 'a' }] }, /\/pools\/0/],
    [
      'a pool that is both',
      { pools: [{ name: 'a', fileSystemUUID: uuid, format: { nodeName: 'n', device: 'dax0.0' } }] },
      /\/pools\/0/,
    ],
    [
      'a device that is none',
      { pools: [{ name: 'a', format: { nodeName: 'n', device: 'sda' } }] },
      /\/device/,
    ],
    [
      'an unknown parameter of a class',
      { storageClasses: [{ name: 'a', parameters: { fileSize: '1' } }] },
      /'fileSize'/,
    ],
    ['a simulated device without a size', { simulator: { devices: ['dax0.0'] } }, /\/simulator\/devices\/0/],
    [
      'a memory that is no quantity',
      { node: { resources: { limits: { memory: 'much' } } } },
      /\/node\/resources/,
    ],
    ['an unknown part of resources', { node: { resources: { limit: {} } } }, /\/node\/resources/],
    [
      'a switch that is no switch',
      { metrics: { dashboard: { enabled: 'yes' } } },
      /\/metrics\/dashboard\/enabled/,
    ],
    [
      'a scrape of what no service finds',
      { metrics: { services: false, serviceMonitor: { enabled: true } } },
      /metrics\.services/,
    ],
  ];
  for (const [what, values, message] of refused) {
    test(`are ${what}`, () => {
      const { status, stderr } = helmTemplate({ values });
      assert.notEqual(status, 0);
      assert.match(stderr, message);
    });
  }
});
