// On what the figures were taken: they mean little without it.
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { goVersion } from '../tools/go-program.ts';

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
