// How something is run in a cluster of this machine: in its network, on one of its nodes; and how its programs are stopped.
// Must not know what is run.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ClusterFolder } from './cluster-folder.ts';
import { readRecord } from './cluster-record.ts';

/** A program of the cluster that can be stopped and started: of the control plane, of a node, or a node itself. */
export type StoppableProgram =
  | 'etcd'
  | 'kube-apiserver'
  | 'kube-controller-manager'
  | 'kube-scheduler'
  | `node-${'a' | 'b'}`
  | `node-${'a' | 'b'}.${'kubelet' | 'containerd'}`;

/** A command that runs where the cluster's addresses are known, with the files and processes of this machine. */
export function inClusterNetwork(folder: ClusterFolder, command: readonly string[]): string[] {
  return ['nsenter', `--net=/proc/${makerPid(folder)}/ns/net`, '--', ...command];
}

/** A command that runs on the node, as if at its console. */
export function onNode(folder: ClusterFolder, node: string, command: readonly string[]): string[] {
  const pid = readFileSync(folder.pidFile(node), 'utf8');
  return inMachine(folder, ['nsenter', ...namespacesMadeBy(pid), '--', ...command]);
}

/** A command among the programs of the control plane. */
function inMachine(folder: ClusterFolder, command: readonly string[]): string[] {
  return ['nsenter', ...namespacesMadeBy(makerPid(folder)), '--', ...command];
}

/** unshare is itself in all of its new namespaces but that of processes, which only its child is in. */
function namespacesMadeBy(pid: string | number): string[] {
  return [
    ...['--target', String(pid), '--mount', '--uts', '--net'],
    `--pid=/proc/${pid}/ns/pid_for_children`,
  ];
}

function makerPid(folder: ClusterFolder): number {
  const record = readRecord(folder.record);
  if (record === undefined) throw new Error(`There is no cluster ${folder.name}: npm run e2e -- up`);
  return record.maker.pid;
}

/** Keeps the program from being started again, and tells the command that ends it. */
export function holdProgram(folder: ClusterFolder, program: StoppableProgram): readonly string[] | undefined {
  const file = folder.holdFile(program);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, '');
  if (!existsSync(folder.pidFile(program))) return undefined;
  const kill = ['kill', '-KILL', readFileSync(folder.pidFile(program), 'utf8')];
  const [node, onThatNode] = program.split('.');
  return onThatNode === undefined || node === undefined
    ? inMachine(folder, kill)
    : onNode(folder, node, kill);
}

/** Lets a held program start again. */
export function releaseProgram(folder: ClusterFolder, program: StoppableProgram): void {
  rmSync(folder.holdFile(program), { force: true });
}
