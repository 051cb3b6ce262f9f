// Definitions of kinds of others that the chart makes objects of where a cluster has them, from the Go modules that publish them.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { projectRoot } from '../run-tool.ts';
import { objectsIn, type RenderedObject } from './helm.ts';

const module = path.join(projectRoot, 'tools/chart/foreign-kinds');

const definitions: readonly (readonly [module: string, file: string])[] = [
  [
    'github.com/openshift/api',
    'security/v1/zz_generated.crd-manifests/0000_03_config-operator_01_securitycontextconstraints.crd.yaml',
  ],
  ...['servicemonitors', 'prometheusrules'].map(
    (name) =>
      [
        'github.com/prometheus-operator/prometheus-operator',
        `example/prometheus-operator-crd/monitoring.coreos.com_${name}.yaml`,
      ] as const,
  ),
];

/**
 * CustomResourceDefinitions of SecurityContextConstraints, ServiceMonitor and PrometheusRule, in the versions of foreign-kinds/go.mod.
 * @throws Error when a module is neither here nor to be had
 */
export function foreignKinds(): RenderedObject[] {
  return definitions.flatMap(([name, file]) =>
    objectsIn(readFileSync(path.join(folderOf(name), file), 'utf8')),
  );
}

function folderOf(name: string): string {
  const { status, stdout, stderr } = spawnSync('go', ['mod', 'download', '-json', name], {
    cwd: module,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`go mod download ${name} failed:\n${stdout}${stderr}`);
  const { Dir: folder } = JSON.parse(stdout) as { readonly Dir: string };
  return folder;
}
