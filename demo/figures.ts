// The figures of the demo: whose memory it is, how long publishing takes, what mount a pod sees.
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Pool } from '../src/mounter/client.ts';
import type { DataSet } from './data-set.ts';
import type { PodMemory } from './pod.ts';
import type { Pod } from './pods.ts';
import { type Published, publishOnce, targetOf, unpublishOnce } from './publishing.ts';
import { bytesText, heading, line, table } from './screen.ts';
import type { SimulatedHost } from './simulated-host.ts';

/** Publishes beyond those of the pods, for a p99 that means something. */
const latencySamples = 40;

export interface Shown {
  readonly pods: readonly Pod[];
  readonly published: readonly Published[];
  readonly hosts: readonly SimulatedHost[];
  readonly pool: Pool;
  readonly data: DataSet;
  readonly device: string;
}

export async function showFigures({ pods, published, hosts, pool, data, device }: Shown): Promise<void> {
  heading('Memory: one copy for all');
  const memory = await Promise.all(pods.map((pod) => pod.process.ask<PodMemory>()));
  const sum = (pick: (each: PodMemory) => string): bigint =>
    memory.reduce((all, each) => all + BigInt(pick(each)), 0n);
  const copies = BigInt(data.sizeBytes) * BigInt(pods.length);
  table(
    ['what', 'bytes', ''],
    [
      ['the data', String(data.sizeBytes), bytesText(data.sizeBytes)],
      [
        'shared memory that holds it (tmpfs)',
        String(allocatedBytes(device)),
        bytesText(allocatedBytes(device)),
      ],
      [
        `mapped by ${pods.length} pods, all told (PSS)`,
        String(sum(({ pssBytes }) => pssBytes)),
        bytesText(sum(({ pssBytes }) => pssBytes)),
      ],
      [`${pods.length} pods with a copy each would take`, String(copies), bytesText(copies)],
    ],
  );
  heading('Publish latency');
  const latencies = [
    ...published.map(({ latencyMs }) => latencyMs),
    ...(await sampleLatencies(hosts, pool)),
  ].sort((a, b) => a - b);
  line(
    `${latencies.length} publishes: p50 ${quantile(latencies, 0.5)} ms, p99 ${quantile(latencies, 0.99)} ms (the first of a node includes replaying the log)`,
  );
  heading('The mount a pod sees');
  line(pods[0]?.report.mountLine ?? '');
  line(
    'Everything above ran on the simulator: real mounts, real shared pages, no CXL. What that does not show: docs/simulator.md',
  );
}

async function sampleLatencies(hosts: readonly SimulatedHost[], pool: Pool): Promise<number[]> {
  const latencies: number[] = [];
  for (let index = 0; index < latencySamples; index++) {
    const host = hosts[index % hosts.length];
    if (host === undefined) break;
    const target = targetOf(host, `sample-${index}`);
    latencies.push(await publishOnce(host, pool, target));
    await unpublishOnce(host, target);
  }
  return latencies;
}

/** Memory that the files of the device take, by the blocks they occupy. */
function allocatedBytes(device: string): bigint {
  return readdirSync(device).reduce(
    (sum, name) => sum + BigInt(statSync(path.join(device, name)).blocks) * 512n,
    0n,
  );
}

function quantile(sorted: readonly number[], share: number): string {
  return (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(1);
}
