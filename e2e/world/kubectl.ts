// kubectl, as people use it: as the administrator, or as whoever holds a token. Must not know any scenario.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { ClusterFolder } from '../cluster/cluster-folder.ts';
import type { CommandOutcome, Fields } from './kube-api.ts';
import type { World } from './world.ts';

/** Runs kubectl to its end, which may be a refusal. */
export function kubectl(world: World, ...args: readonly string[]): CommandOutcome {
  return run(world, world.ground.kubeconfig, args);
}

/** The same as the owner of a bearer token, and nobody else. */
export function kubectlAs(world: World, token: string, ...args: readonly string[]): CommandOutcome {
  return asOwner(world, token, args);
}

/** Has the owner of a token ask for an object, of which nothing is made even if that is allowed. */
export function tryToCreate(world: World, token: string, object: Fields): CommandOutcome {
  const args = ['create', '--dry-run=server', '--validate=false', '--filename=-'];
  return asOwner(world, token, args, JSON.stringify(object));
}

/** Has the owner of a token write the status of an object, of which nothing is changed even if that is allowed. */
export function tryToApplyStatus(world: World, token: string, object: Fields): CommandOutcome {
  const applying = [
    'apply',
    '--server-side',
    '--force-conflicts',
    '--subresource=status',
    '--dry-run=server',
  ];
  return asOwner(world, token, [...applying, '--validate=false', '--filename=-'], JSON.stringify(object));
}

/** The same by an update of the whole object as it was read. */
export function tryToReplaceStatus(world: World, token: string, object: Fields): CommandOutcome {
  const args = ['replace', '--subresource=status', '--dry-run=server', '--validate=false', '--filename=-'];
  return asOwner(world, token, args, JSON.stringify(object));
}

/**
 * Has the owner of a token change an object without reading it, of which nothing is changed even if that is allowed.
 * @param object says which: apiVersion, kind, metadata.name
 */
export function tryToPatch(world: World, token: string, object: Fields, patch: Fields): CommandOutcome {
  const args = [
    'patch',
    '--type=merge',
    `--patch=${JSON.stringify(patch)}`,
    '--dry-run=server',
    '--filename=-',
  ];
  return asOwner(world, token, args, JSON.stringify(object));
}

function asOwner(world: World, token: string, args: readonly string[], input = ''): CommandOutcome {
  const folder = mkdtempSync(path.join(tmpdir(), 'famfs-csi-e2e-'));
  try {
    const file = path.join(folder, 'kubeconfig');
    writeFileSync(file, kubeconfigOf(world, token), { mode: 0o600 });
    return run(world, file, args, input);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function kubeconfigOf(world: World, token: string): string {
  const admin = new KubeConfig();
  admin.loadFromFile(world.ground.kubeconfig);
  const cluster = admin.getCurrentCluster();
  if (cluster === null) throw new Error(`${world.ground.kubeconfig} names no cluster.`);
  const other = new KubeConfig();
  other.loadFromClusterAndUser(cluster, { name: 'somebody', token });
  return other.exportConfig();
}

function run({ ground }: World, kubeconfig: string, args: readonly string[], input = ''): CommandOutcome {
  const program =
    ground.cluster === undefined
      ? 'kubectl'
      : path.join(new ClusterFolder(ground.cluster).programs, 'kubectl');
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    encoding: 'utf8',
    input,
    env: { ...process.env, KUBECONFIG: kubeconfig },
    timeout: 60_000,
  });
  if (error !== undefined) throw error;
  return { status: status ?? 1, stdout, stderr };
}
