// `npm run demo`: the main job of the driver, from files to pods, on this machine alone.
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { mountFileSystem } from '../src/linux/mounts.ts';
import type { Pool } from '../src/mounter/client.ts';
import { availableBytes } from '../tools/available-memory.ts';
import { endOnSignals, privateFolder, runInPrivateNamespaces } from '../tools/private-namespaces.ts';
import { projectRoot } from '../tools/run-tool.ts';
import { runClaim } from './claim.ts';
import { type DataSet, makeDefaultData, readDataSet } from './data-set.ts';
import { type DemoOptions, demoHelp, readDemoOptions } from './demo-options.ts';
import { showFigures } from './figures.ts';
import { LineProcess } from './line-process.ts';
import type { LoadOrder, LoadReport } from './load.ts';
import { type Pod, runPods } from './pods.ts';
import { type Published, prefix, publish, unpublishOnce } from './publishing.ts';
import { bytesText, heading, line, Progress } from './screen.ts';
import { nodeProgram, SimulatedHost } from './simulated-host.ts';

const minimumDeviceBytes = 4n * 1024n ** 3n;
/** What the processes of the demo, and everything else on the machine, are left with. */
const sparedBytes = 1024 ** 3;
const simulator = [...nodeProgram, path.join(projectRoot, 'src/sim/main.ts')];

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

async function runDemo(options: DemoOptions, folder: string): Promise<void> {
  mountFileSystem({ source: 'demo', target: folder, type: 'tmpfs', data: 'mode=755' });
  const data = options.claimBytes === undefined ? prepareData(options, folder) : undefined;
  const device = path.join(folder, 'memory/cxl');
  const needed = bytesNeeded(data, options.claimBytes ?? 0n);
  requireMemory(needed);
  const hosts = await makeNodes(options, folder, device, needed);
  try {
    const pool = await mountEverywhere(hosts);
    if (data === undefined) {
      await runClaim(hosts, options.claimBytes ?? 0n, folder);
      return;
    }
    const digests = await loadData(hosts[0], pool, options, data);
    const published = await publish(hosts, pool, options.pods);
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

async function makeNodes(
  options: DemoOptions,
  folder: string,
  device: string,
  needed: bigint,
): Promise<SimulatedHost[]> {
  heading(`${options.nodes} simulated nodes, one shared memory`);
  const store = path.dirname(device);
  mkdirSync(store);
  mountFileSystem({ source: 'shared-memory', target: store, type: 'tmpfs', data: 'size=100%,mode=755' });
  const sizeBytes = needed * 2n > minimumDeviceBytes ? roundUp(needed * 2n, 1024n ** 3n) : minimumDeviceBytes;
  runOrThrow([...simulator, 'create-device', device, '--size', String(sizeBytes)]);
  const hosts: SimulatedHost[] = [];
  for (let index = 0; index < options.nodes; index++) {
    const name = `node-${index + 1}`;
    const simulatedNode = path.join(folder, name);
    const tmp = path.join(folder, `${name}-tmp`);
    mkdirSync(tmp);
    const shown = ['--device', `${device}=dax${index}.0`];
    runOrThrow([...simulator, 'create-node', simulatedNode, ...shown, '--tmp', tmp]);
    if (index === 0)
      runOrThrow([
        path.join(simulatedNode, 'bin/mkfs.famfs'),
        modeFlag(options),
        path.join(simulatedNode, 'dev/dax0.0'),
      ]);
    const places = {
      simulatedNode,
      tmpDir: tmp,
      kubeletDir: path.join(folder, `${name}-kubelet`),
      runDir: path.join(folder, `${name}-run`),
    };
    const provisions = options.claimBytes === undefined ? undefined : index === 0 ? 'here' : 'elsewhere';
    hosts.push(await SimulatedHost.start(name, places, { mode: options.mode, provisions }));
  }
  line(`device of ${bytesText(sizeBytes)}, formatted by node-1, which is the master`);
  return hosts;
}

/** What the pool has to hold: the data with room for rounding, or the claim. */
function bytesNeeded(data: DataSet | undefined, claimBytes: bigint): bigint {
  const files = BigInt((data?.files.length ?? 1) + 16);
  return BigInt(data?.sizeBytes ?? 0) + claimBytes + files * 2n * 1024n ** 2n;
}

/** All of it lies in memory: what has no room there would have the kernel end other programs. */
function requireMemory(neededBytes: bigint): void {
  const room = availableBytes() - sparedBytes;
  if (neededBytes <= BigInt(Math.max(0, room))) return;
  throw new Error(
    `it would put ${bytesText(neededBytes)} into memory, where ${bytesText(Math.max(0, room))} can be spared. Choose a smaller --claim, or less --data.`,
  );
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
    master.inside([...nodeProgram, path.join(projectRoot, 'demo/load.ts'), JSON.stringify(order)]),
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

async function takeDown(pods: readonly Pod[], published: readonly Published[]): Promise<void> {
  for (const pod of pods) await pod.process.finish();
  for (const { host, target } of published) await unpublishOnce(host, target);
  heading('Unpublished, and all of it taken down again');
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

main().then(
  (status) => {
    process.exitCode = status;
  },
  (error: unknown) => {
    console.error(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(1);
  },
);
