// Helm, built from its module, and what a chart of this project renders to. Knows nothing of what a chart holds.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseAllDocuments } from 'yaml';
import { buildGoProgram, goVersion } from '../go-program.ts';
import { projectRoot } from '../run-tool.ts';

const module = 'tools/chart';
export const chartFolder = path.join(projectRoot, 'charts/famfs-csi');

/** Why tests have no Helm here; false where they have. */
export const noHelm =
  goVersion() === undefined ? 'Go is not installed, and Helm is built from source' : false;

/** An object of Kubernetes as a template gives it. */
export interface RenderedObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  // biome-ignore lint/suspicious/noExplicitAny: what is in it depends on its kind, and a template can give anything
  readonly [field: string]: any;
}

export interface Rendering {
  /** A folder or a package; the chart of this tree unless given. */
  readonly chart?: string;
  readonly release?: string;
  readonly namespace?: string;
  /** Files of values, the last one wins. */
  readonly valueFiles?: readonly string[];
  /** Values that win over those of files. */
  readonly values?: unknown;
  /** What the cluster is to serve beside what Helm knows, such as `monitoring.coreos.com/v1`. */
  readonly apiVersions?: readonly string[];
  /** As for an upgrade of a release that is there. */
  readonly isUpgrade?: boolean;
}

export interface HelmResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The release that go.mod asks for, such as "v4.2.4". */
export function helmVersion(): string {
  const text = readFileSync(path.join(projectRoot, module, 'go.mod'), 'utf8');
  const version = /\bhelm\.sh\/helm\/v4 (v4\.\d+\.\d+)/.exec(text)?.[1];
  if (version === undefined) throw new Error(`${module}/go.mod requires no release of helm.sh/helm/v4.`);
  return version;
}

/**
 * Builds Helm unless that was done before: seconds, or some minutes where Go has compiled none of it yet.
 * @returns the path of the executable
 * @throws Error when there is no Go, or it does not build
 */
export function buildHelm(): string {
  executable ??= buildFromModule();
  return executable;
}

let executable: string | undefined;

function buildFromModule(): string {
  const version = `-X helm.sh/helm/v4/internal/version.version=${helmVersion()}`;
  return buildGoProgram({
    module,
    tool: 'helm.sh/helm/v4/cmd/helm',
    // The same as for the programs of Kubernetes, so that what they share is compiled once.
    flags: ['-gcflags=all=-dwarf=false', `-ldflags=-s -w ${version}`],
  });
}

/** The environment in which Helm finds nothing of its user: no repositories, no plugins, no cluster but the one that is named. */
export function helmEnvironment(kubeconfig = '/dev/null'): NodeJS.ProcessEnv {
  const home = path.join(projectRoot, '.cache/helm');
  return {
    PATH: process.env.PATH,
    HOME: home,
    HELM_CACHE_HOME: path.join(home, 'cache'),
    HELM_CONFIG_HOME: path.join(home, 'config'),
    HELM_DATA_HOME: path.join(home, 'data'),
    KUBECONFIG: kubeconfig,
  };
}

/** Runs Helm to its end. @param input what it reads, such as the values of `--values -` */
export function runHelm(args: readonly string[], input = '', kubeconfig?: string): HelmResult {
  const { status, stdout, stderr, error } = spawnSync(buildHelm(), args, {
    cwd: projectRoot,
    encoding: 'utf8',
    input,
    env: helmEnvironment(kubeconfig),
    maxBuffer: 64 * 1024 * 1024,
  });
  if (error !== undefined) throw error;
  return { status: status ?? 1, stdout, stderr };
}

/** `helm template`, as it answers: a chart may refuse values. */
export function helmTemplate(rendering: Rendering = {}): HelmResult {
  const { chart = chartFolder, release = 'famfs-csi', namespace = 'famfs-csi' } = rendering;
  const { valueFiles = [], values = {} } = rendering;
  return runHelm(
    [
      ...['template', release, chart, '--namespace', namespace, '--kube-version', '1.36.0'],
      ...valueFiles.flatMap((file) => ['--values', file]),
      ...['--values', '-'],
      ...(rendering.apiVersions ?? []).flatMap((name) => ['--api-versions', name]),
      ...(rendering.isUpgrade === true ? ['--is-upgrade'] : []),
    ],
    JSON.stringify(values),
  );
}

/**
 * The objects of the chart with these values, hooks and tests included.
 * @throws Error with what Helm says when it refuses
 */
export function renderChart(rendering: Rendering = {}): RenderedObject[] {
  const { status, stdout, stderr } = helmTemplate(rendering);
  if (status !== 0) throw new Error(stderr);
  return objectsIn(stdout);
}

/** The objects of a stream of YAML documents; @throws Error at a document that cannot be read */
export function objectsIn(text: string): RenderedObject[] {
  return parseAllDocuments(text).flatMap((document) => {
    if (document.errors.length > 0) throw new Error(`${document.errors[0]}`);
    const object: RenderedObject | null = document.toJS();
    return object === null ? [] : [object];
  });
}
