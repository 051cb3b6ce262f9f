// The programs of Kubernetes that end-to-end tests run, built from their released modules (e2e/kubernetes). Must not know
// how they are run.
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { buildGoProgram } from '../tools/go-program.ts';
import { projectRoot } from '../tools/run-tool.ts';

const module = 'e2e/kubernetes';
/** Tells a minor other than that of go.mod, such as "1.35", to this process and those that it starts. */
const minorVariable = 'FAMFS_CSI_KUBERNETES';
const provisionerModule = 'github.com/kubernetes-csi/external-provisioner/v6';

/** The release that is built, such as "v1.36.3". */
export function kubernetesVersion(): string {
  return requiredVersion('k8s.io/kubernetes', modFile());
}

/** The minors that can be chosen, such as "1.35". */
export function otherMinors(): string[] {
  return globSync('go-*.mod', { cwd: path.join(projectRoot, module) })
    .map((file) => file.slice('go-'.length, -'.mod'.length))
    .sort();
}

/**
 * Makes `buildKubernetes` build another minor, in this process and those that it starts from now on.
 * @param minor one of `otherMinors`
 */
export function chooseKubernetes(minor: string): void {
  process.env[minorVariable] = minor;
}

function modFile(): string {
  const minor = process.env[minorVariable];
  return minor === undefined ? 'go.mod' : `go-${minor}.mod`;
}

/** The release of the external-provisioner, such as "v6.3.0". */
export function csiProvisionerVersion(): string {
  return requiredVersion(provisionerModule, 'go.mod');
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
  }).map(([name, value]) => `k8s.io/component-base/version.${name}=${value}`);
  return buildGoProgram({ module, modFile: modFile(), flags: flagsTelling(told) });
}

/**
 * Builds the sidecar that turns claims into calls of the controller; it shares nearly all that it is compiled from with
 * Kubernetes.
 * @returns the path of its executable
 */
export function buildCsiProvisioner(): string {
  const told = [`main.version=${csiProvisionerVersion()}`];
  return buildGoProgram({
    module,
    tool: `${provisionerModule}/cmd/csi-provisioner`,
    flags: flagsTelling(told),
  });
}

/**
 * Builds the Kubernetes project's suite for storage drivers; it shares most of what it is compiled from with Kubernetes.
 * @returns the path of its executable
 */
export function buildExternalStorage(): string {
  return buildGoProgram({ module, package: 'external-storage', flags: flagsTelling([]) });
}

function flagsTelling(values: readonly string[]): string[] {
  // Nobody debugs these programs; without the tables for it they compile with a sixth less work.
  return ['-gcflags=all=-dwarf=false', `-ldflags=-s -w ${values.map((value) => `-X ${value}`).join(' ')}`];
}

function requiredVersion(of: string, file: string): string {
  const text = readFileSync(path.join(projectRoot, module, file), 'utf8');
  const line = text.split('\n').find((candidate) => candidate.startsWith(`\t${of} v`));
  const version = line?.trim().split(' ')[1];
  if (version === undefined) throw new Error(`${module}/${file} requires no release of ${of}.`);
  return version;
}

/** Whether `buildKubernetes` has been done here, for whoever does not want to wait for it. */
export function isApiServerBuilt(): boolean {
  return (
    globSync(`${module.replaceAll('/', '-')}-*`, { cwd: path.join(projectRoot, '.cache/go') }).length > 0
  );
}
