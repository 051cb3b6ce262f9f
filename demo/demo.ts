// `npm run demo`: the main job of the driver, from files to pods, on this machine alone.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { endOnSignals, privateFolder, runInPrivateNamespaces } from '../bench/private-namespaces.ts';
import { accessModes } from '../src/csi/protocol.ts';
import { mountFileSystem } from '../src/linux/mounts.ts';
import type { Pool } from '../src/mounter/client.ts';
import { projectRoot } from '../tools/run-tool.ts';
import { type DataSet, makeDefaultData, readDataSet } from './data-set.ts';
import { type DemoOptions, demoHelp, readDemoOptions } from './demo-options.ts';
import { LineProcess } from './line-process.ts';
import type { LoadOrder, LoadReport } from './load.ts';
import type { PodMemory, PodOrder, PodReport } from './pod.ts';
import { bytesText, heading, line, Progress, table } from './screen.ts';
import { SimulatedHost } from './simulated-host.ts';

const prefix = 'demo';
const latencySamples = 40;
const minimumDeviceBytes = 4n * 1024n ** 3n;
const unprivilegedUid = 65534;
const node = [process.execPath, '--disable-warning=ExperimentalWarning'];
const simulator = [...node, path.join(projectRoot, 'src/sim/main.ts')];

async function main(): Promise<number> {
  const options = readOptions();
  if (typeof options === 'number') return options;
  const folder = privateFolder();
  if (folder === undefined) return refuseImpossible() ?? (await runInPrivateNamespaces());
  endOnSignals();
  await runDemo(options, folder);
  return 0;
}

function readOptions(): DemoOptions | number {
  try {
    const options = readDemoOptions(process.argv.slice(2));
    if (options !== undefined) return options;
    console.log(demoHelp);
    return 0;
  } catch (error) {
    console.error(
      `${error instanceof Error ? error.message : String(error)}\nnpm run demo -- --help tells what can be said.`,
    );
    return 2;
  }
}

/** Says exactly what is missing where the demo cannot run; undefined where it can. */
function refuseImpossible(): number | undefined {
  const user = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
  const tried = spawnSync('unshare', [...user, '--mount', '--pid', '--fork', 'true'], { encoding: 'utf8' });
  if (tried.status === 0) return undefined;
  const why =
    tried.error === undefined
      ? tried.stderr.trim()
      : `unshare(1) of util-linux is needed (${tried.error.message})`;
  console.error(
    `The demo needs mount and process namespaces of its own, and this machine does not give them: ${why}.`,
  );
  console.error(
    process.getuid?.() === 0
      ? 'In a container, run it privileged (CAP_SYS_ADMIN).'
      : 'Run it as root, or let users make namespaces: sysctl user.max_user_namespaces must not be 0, and neither kernel.unprivileged_userns_clone=0 nor kernel.apparmor_restrict_unprivileged_userns=1 may be set.',
  );
  return 1;
}

interface Published {
  readonly host: SimulatedHost;
  readonly target: string;
  readonly latencyMs: number;
}

async function runDemo(options: DemoOptions, folder: string): Promise<void> {
  mountFileSystem({ source: 'demo', target: folder, type: 'tmpfs', data: 'mode=755' });
  const data = prepareData(options, folder);
  const device = path.join(folder, 'memory/cxl');
  const hosts = makeNodes(options, folder, device, data);
  try {
    const pool = await mountEverywhere(hosts);
    const digests = await loadData(hosts[0], pool, options, data);
    const published = await publish(hosts, pool, options);
    const pods = await runPods(published, folder, data, digests);
    await showFigures({ pods, published, hosts, pool, data, device });
    await takeDown(pods, published);
  } catch (error) {
    for (const host of hosts) console.error(host.log);
    throw error;
  } finally {
    if (options.verbose) for (const host of hosts) console.log(`\n${host.name}:\n${host.log}`);
    for (const host of hosts) await host.stop();
  }
}

function prepareData(options: DemoOptions, folder: string): DataSet {
  heading('Data');
  const source = options.dataDir ?? path.join(folder, 'data');
  if (options.dataDir === undefined) makeDefaultData(source);
  const data = readDataSet(path.resolve(source), prefix);
  for (const reason of data.leftOut) line(`left out: ${reason}`);
  if (data.files.length === 0) throw new Error(`${source} holds no file that can go into a pool`);
  line(
    `${data.files.length} files, ${bytesText(data.sizeBytes)}, ${options.dataDir ?? 'made up (choose your own with --data DIR)'}`,
  );
  return data;
}

function makeNodes(options: DemoOptions, folder: string, device: string, data: DataSet): SimulatedHost[] {
  heading(`${options.nodes} simulated nodes, one shared memory`);
  const store = path.dirname(device);
  mkdirSync(store);
  mountFileSystem({ source: 'shared-memory', target: store, type: 'tmpfs', data: 'size=100%,mode=755' });
  const needed = BigInt(data.sizeBytes) + BigInt(data.files.length + 16) * 2n * 1024n ** 2n;
  const sizeBytes = needed * 2n > minimumDeviceBytes ? roundUp(needed * 2n, 1024n ** 3n) : minimumDeviceBytes;
  runOrThrow([...simulator, 'create-device', device, '--size', String(sizeBytes)]);
  const hosts = Array.from({ length: options.nodes }, (_, index) => {
    const name = `node-${index + 1}`;
    const simulatedNode = path.join(folder, name);
    runOrThrow([...simulator, 'create-node', simulatedNode, '--device', `${device}=dax${index}.0`]);
    if (index === 0)
      runOrThrow([
        path.join(simulatedNode, 'bin/mkfs.famfs'),
        modeFlag(options),
        path.join(simulatedNode, 'dev/dax0.0'),
      ]);
    const places = {
      simulatedNode,
      kubeletDir: path.join(folder, `${name}-kubelet`),
      runDir: path.join(folder, `${name}-run`),
    };
    return new SimulatedHost(name, places, options.mode);
  });
  line(`device of ${bytesText(sizeBytes)}, formatted by node-1, which is the master`);
  return hosts;
}

async function mountEverywhere(hosts: readonly SimulatedHost[]): Promise<Pool> {
  let first: Pool | undefined;
  for (const host of hosts) {
    const pool = await host.ready();
    first ??= pool;
    line(
      `${host.name}: pool ${pool.uuid.slice(0, 8)}… on ${pool.device}, ${host === hosts[0] ? 'master' : 'client'}, mounted by the driver${pool.simulated ? ' (simulated famfs)' : ''}`,
    );
  }
  if (first === undefined) throw new Error('no node');
  return first;
}

/** Puts the data in on the master; the other nodes learn of it by replaying the log. */
async function loadData(
  master: SimulatedHost | undefined,
  pool: Pool,
  options: DemoOptions,
  data: DataSet,
): Promise<Map<string, string>> {
  heading('Loading, on the master node');
  if (master === undefined) throw new Error('no node');
  const order: LoadOrder = {
    famfsBinDir: path.join(master.places.simulatedNode, 'bin'),
    mode: options.mode,
    mountPoint: pool.mountPath,
    lockPath: path.join(master.places.runDir, 'locks', `pool-${pool.uuid}`),
    prefix,
    folders: data.folders,
    files: data.files,
  };
  const loader = new LineProcess(
    master.inside([...node, path.join(projectRoot, 'demo/load.ts'), JSON.stringify(order)]),
  );
  const progress = new Progress('famfs creat + write', data.sizeBytes);
  const digests = new Map<string, string>();
  let done = 0;
  for (
    let report = await loader.next<LoadReport>();
    report !== undefined;
    report = await loader.next<LoadReport>()
  ) {
    if (report.kind === 'loaded') digests.set(report.file, report.sha256);
    else done += report.bytes;
    if (report.kind === 'progress') progress.update(done, report.file);
  }
  await loader.finish();
  return digests;
}

/** As kubelet would: NodePublishVolume for every pod, and some cycles more for the figures. */
async function publish(
  hosts: readonly SimulatedHost[],
  pool: Pool,
  options: DemoOptions,
): Promise<Published[]> {
  heading('Publishing, as kubelet does (CSI NodePublishVolume)');
  const published: Published[] = [];
  for (let index = 0; index < options.pods; index++) {
    const host = hosts[index % hosts.length];
    if (host === undefined) throw new Error('no node');
    const target = targetOf(host, `pod-${index + 1}`);
    published.push({ host, target, latencyMs: await publishOnce(host, pool, target) });
  }
  line(
    `${published.length} pods, each with ${prefix}/ of the pool read-only; node-2 and on replayed the log when they were first asked`,
  );
  return published;
}

function targetOf(host: SimulatedHost, pod: string): string {
  const folder = path.join(host.places.kubeletDir, 'pods', pod, 'volumes/kubernetes.io~csi/demo');
  mkdirSync(folder, { recursive: true });
  return path.join(folder, 'mount');
}

async function publishOnce(host: SimulatedHost, pool: Pool, target: string): Promise<number> {
  const startedAt = performance.now();
  await host.csi.nodePublishVolume({
    volumeId: 'demo-volume',
    targetPath: target,
    readonly: true,
    volumeCapability: { mount: {}, accessMode: { mode: accessModes.MULTI_NODE_READER_ONLY } },
    volumeContext: { pool: pool.uuid, path: prefix },
  });
  return performance.now() - startedAt;
}

async function unpublishOnce(host: SimulatedHost, target: string): Promise<void> {
  await host.csi.nodeUnpublishVolume({ volumeId: 'demo-volume', targetPath: target });
}

interface Pod {
  readonly name: string;
  readonly host: SimulatedHost;
  readonly process: LineProcess;
  readonly report: PodReport;
}

async function runPods(
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
      ...node,
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

interface Shown {
  readonly pods: readonly Pod[];
  readonly published: readonly Published[];
  readonly hosts: readonly SimulatedHost[];
  readonly pool: Pool;
  readonly data: DataSet;
  readonly device: string;
}

async function showFigures({ pods, published, hosts, pool, data, device }: Shown): Promise<void> {
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

async function takeDown(pods: readonly Pod[], published: readonly Published[]): Promise<void> {
  for (const pod of pods) await pod.process.finish();
  for (const { host, target } of published) await unpublishOnce(host, target);
  heading('Unpublished, and all of it taken down again');
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

function roundUp(value: bigint, step: bigint): bigint {
  return ((value + step - 1n) / step) * step;
}

function modeFlag({ mode }: DemoOptions): string {
  return mode === 'fuse' ? '--fuse' : '--nofuse';
}

function runOrThrow(argv: readonly string[]): void {
  const [file = '', ...args] = argv;
  const { status, stderr, error } = spawnSync(file, args, { encoding: 'utf8' });
  if (status !== 0)
    throw new Error(`${path.basename(file)} ${args.join(' ')} failed: ${error?.message ?? stderr.trim()}`);
}

function isInitialUserNamespace(): boolean {
  return /^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'utf8'));
}

main().then(
  (status) => {
    process.exitCode = status;
  },
  (error: unknown) => {
    console.error(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(1);
  },
);
