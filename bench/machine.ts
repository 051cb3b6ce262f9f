// On what the figures were taken: they mean little without it.
import { readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { goVersion } from '../tools/go-program.ts';
import { projectRoot } from '../tools/run-tool.ts';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  readonly go: string;
}

/** What this machine is. */
export function describeMachine(): Machine {
  return {
    cpu: cpuModel(readFileSync('/proc/cpuinfo', 'utf8')) ?? `unknown ${process.arch} CPU`,
    cores: os.availableParallelism(),
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    kernel: os.release(),
    node: process.version,
    go: goVersion() ?? 'none',
  };
}

/** The CPU's name out of /proc/cpuinfo; arm64 kernels give none, only numbers of the maker and the part. */
export function cpuModel(cpuinfo: string): string | undefined {
  const field = (name: string) => new RegExp(`^${name}\\s*: (.+)$`, 'm').exec(cpuinfo)?.[1];
  const implementer = field('CPU implementer');
  const byNumbers = implementer && `CPU implementer ${implementer} part ${field('CPU part') ?? '?'}`;
  return field('model name') ?? byNumbers;
}

/** The machine as one line. */
export function machineLine({ cpu, cores, memoryGiB, kernel, node, go }: Machine): string {
  return `${cpu}, ${cores} cores, ${memoryGiB} GiB · Linux ${kernel} · Node ${node} · ${go}`;
}

/** The versions of what serves calls and mounts on either side, as one line. */
export function libraryVersions(): string {
  const read = (file: string) => readFileSync(path.join(projectRoot, file), 'utf8');
  const { dependencies } = JSON.parse(read('package.json')) as { dependencies: Record<string, string> };
  const ours = ['@grpc/grpc-js', 'protobufjs', 'koffi'].map(
    (name) => `${name} ${dependencies[name] ?? 'none'}`,
  );
  const modules = read('bench/go.mod');
  const peers = ['google.golang.org/grpc', 'k8s.io/mount-utils'].map((name) => {
    return `${name} ${new RegExp(`^\\s*${name} (v\\S+)`, 'm').exec(modules)?.[1] ?? 'none'}`;
  });
  return `${ours.join(', ')}; the peer: ${peers.join(', ')}`;
}
