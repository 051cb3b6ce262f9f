// The pods of the demo: started one after the other, each checked against what was loaded.
import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { projectRoot } from '../tools/run-tool.ts';
import type { DataSet } from './data-set.ts';
import { LineProcess } from './line-process.ts';
import type { PodOrder, PodReport } from './pod.ts';
import type { Published } from './publishing.ts';
import { bytesText, heading, table } from './screen.ts';
import { nodeProgram, type SimulatedHost } from './simulated-host.ts';

const unprivilegedUid = 65534;

export interface Pod {
  readonly name: string;
  readonly host: SimulatedHost;
  readonly process: LineProcess;
  readonly report: PodReport;
}

export async function runPods(
  published: readonly Published[],
  folder: string,
  data: DataSet,
  digests: ReadonlyMap<string, string>,
): Promise<Pod[]> {
  heading('Pods: every file mapped and hashed where it lies');
  const volumePath = path.join(folder, 'volume');
  mkdirSync(volumePath);
  const uid = isInitialUserNamespace() ? unprivilegedUid : undefined;
  const pods: Pod[] = [];
  for (const [index, { host, target }] of published.entries()) {
    const order: PodOrder = {
      published: target,
      volumePath,
      files: data.files.map(({ relativePath }) => relativePath),
      uid,
    };
    const command = [
      'unshare',
      '--mount',
      '--propagation',
      'slave',
      '--',
      ...nodeProgram,
      path.join(projectRoot, 'demo/pod.ts'),
      JSON.stringify(order),
    ];
    const child = new LineProcess(host.inside(command));
    const report = await child.next<PodReport>();
    if (report === undefined) throw new Error('a pod ended without a word');
    pods.push({ name: `pod-${index + 1}`, host, process: child, report });
    refuseWrongBytes(`pod-${index + 1}`, report, volumePath, digests);
  }
  table(
    ['pod', 'node', 'path in the pod', 'mapped', 'SHA-256', 'write by root'],
    pods.flatMap(({ name, host, report }) =>
      report.files.map((file) => [
        name,
        host.name,
        path.join('/volume', path.relative(volumePath, file.path)),
        bytesText(file.mappedBytes),
        `${file.sha256.slice(0, 12)}… ✓`,
        report.writeRefusedWith,
      ]),
    ),
  );
  return pods;
}

function refuseWrongBytes(
  pod: string,
  report: PodReport,
  volumePath: string,
  digests: ReadonlyMap<string, string>,
): void {
  for (const file of report.files) {
    const name = path.relative(volumePath, file.path);
    if (digests.get(name) !== file.sha256)
      throw new Error(`${pod} sees other bytes in ${name} than were loaded`);
  }
  if (report.writeRefusedWith !== 'EROFS') throw new Error(`${pod} could write into a read-only volume`);
}

function isInitialUserNamespace(): boolean {
  return /^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'utf8'));
}
