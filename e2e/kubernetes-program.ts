// The programs of Kubernetes that end-to-end tests run, built from their released modules (e2e/kubernetes). Must not know
// how they are run.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { buildGoProgram } from '../tools/go-program.ts';
import { projectRoot } from '../tools/run-tool.ts';

const module = 'e2e/kubernetes';

/** The release that go.mod asks for, such as "v1.36.3". */
export function kubernetesVersion(): string {
  const text = readFileSync(path.join(projectRoot, module, 'go.mod'), 'utf8');
  const version = /^\tk8s\.io\/kubernetes (v\d+\.\d+\.\d+)$/m.exec(text)?.[1];
  if (version === undefined) throw new Error(`${module}/go.mod requires no release of k8s.io/kubernetes.`);
  return version;
}

/**
 * Builds the programs unless that was done before: some seconds, or some minutes where Go has compiled none of it yet.
 * @returns the path of one executable; its first argument is the program, such as `etcd`
 */
export function buildKubernetes(): string {
  const version = kubernetesVersion();
  const [major, minor] = version.slice(1).split('.');
  // Built outside Kubernetes' own repository, the programs call themselves v0.0.0 unless they are told.
  const told = Object.entries({
    gitVersion: version,
    gitMajor: major,
    gitMinor: minor,
    gitTreeState: 'clean',
  })
    .map(([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`)
    .join(' ');
  // Nobody debugs these programs; without the tables for it they compile with a sixth less work.
  return buildGoProgram({ module, flags: ['-gcflags=all=-dwarf=false', `-ldflags=-s -w ${told}`] });
}
