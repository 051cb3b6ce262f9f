// The first program of a node: gives it file systems and a network of its own, then runs containerd and the kubelet. Lives as
// long as the node. Must not know of other nodes.
import { execFileSync, spawnSync } from 'node:child_process';
import { globSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ApiRequester } from '../../test/api-requester.ts';
import { ClusterFolder } from './cluster-folder.ts';
import { apiServerUrl, folderInNode, nodeNamed } from './cluster-shape.ts';
import { makeControlGroup } from './control-groups.ts';
import { keepRunning } from './kept-running.ts';
import { findNetworkPlugins } from './needed-programs.ts';
import { makeNodeNetwork, podNetwork } from './network.ts';
import { containerdConfig, kubeletConfig } from './node-files.ts';

const [, , clusterName = '', nodeName = ''] = process.argv;
const node = nodeNamed(nodeName);
const controlGroup = `${new ClusterFolder(clusterName).cgroup}/${node.name}`;
const networkPlugins = '/run/cni/plugins';

makeFileSystems(new ClusterFolder(clusterName));
const folder = new ClusterFolder(clusterName, folderInNode);
const configs = path.join(folder.node(node.name), 'config');
writeFileSync('/proc/sys/kernel/hostname', node.name);
await makeNodeNetwork(node);
writeConfigs();
makeControlGroup(controlGroup);
startProgram('containerd', ['containerd', '--config', path.join(configs, 'containerd.toml')]);
while (spawnSync('ctr', ['version'], { stdio: 'ignore' }).status !== 0) await delay(50);
for (const archive of globSync('*.tar', { cwd: folder.images }))
  execFileSync('ctr', ['-n', 'k8s.io', 'images', 'import', path.join(folder.images, archive)]);
await untilApiServerAnswers();
startProgram('kubelet', [
  path.join(folder.programs, 'kubelet'),
  `--config=${path.join(configs, 'kubelet.yaml')}`,
  `--kubeconfig=${folder.kubeconfig(node.name)}`,
  ...[`--hostname-override=${node.name}`, `--node-ip=${node.address}`],
]);

/**
 * A node has its own /var, /opt, /run and /tmp, the latter two empty at each start; all else is the machine's. Nothing of this
 * shows outside, nor does it leave anything behind in the folders that it covers.
 */
function makeFileSystems(outside: ClusterFolder): void {
  const own = outside.node(node.name);
  const run = path.join(own, 'run');
  for (const name of ['run', 'tmp', 'opt', 'var/lib', 'var/log', 'var/tmp', 'config/networks'])
    mkdirSync(path.join(own, name), { recursive: true });
  for (const name of ['run', 'lock'])
    linkOnce(`/run${name === 'run' ? '' : '/lock'}`, path.join(own, 'var', name));
  mount('-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', run);
  for (const name of ['lock', path.relative('/run', folderInNode), path.relative('/run', networkPlugins)])
    mkdirSync(path.join(run, name), { recursive: true });
  // The checkout may lie in one of the folders that are about to be covered.
  mount('--bind', outside.path, path.join(run, path.relative('/run', folderInNode)));
  mount('--bind', findNetworkPlugins() ?? '', path.join(run, path.relative('/run', networkPlugins)));
  mount('--move', run, '/run');
  const ownInside = new ClusterFolder(clusterName, folderInNode).node(node.name);
  for (const name of ['var', 'opt']) mount('--bind', path.join(ownInside, name), `/${name}`);
  mount('-t', 'tmpfs', '-o', 'mode=1777', 'tmpfs', '/tmp');
  // containerd puts layers over each other, which cannot be done on what is itself made of layers.
  if (execFileSync('stat', ['-f', '-c', '%T', '/var'], { encoding: 'utf8' }).startsWith('overlay')) {
    mkdirSync('/var/lib/containerd', { recursive: true });
    mount('-t', 'tmpfs', 'tmpfs', '/var/lib/containerd');
  }
  // Only now, so that each of the above is a peer of nothing but its own copies in containers.
  mount('--make-rshared', '/');
}

function mount(...args: string[]): void {
  // Its notes on mounts lie in /run, which is no longer there when it writes them.
  execFileSync('mount', ['--no-mtab', ...args], { stdio: ['ignore', 'inherit', 'inherit'] });
}

/** A node that starts again finds it. */
function linkOnce(target: string, place: string): void {
  try {
    symlinkSync(target, place);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

function writeConfigs(): void {
  const write = (name: string, text: string): void => writeFileSync(path.join(configs, name), text);
  const networks = path.join(configs, 'networks');
  write('networks/pods.conflist', JSON.stringify(podNetwork(node)));
  write('containerd.toml', containerdConfig({ networks, networkPlugins }));
  write('kubelet.yaml', kubeletConfig(node, controlGroup));
}

function startProgram(name: string, command: readonly string[]): void {
  const program = `${node.name}.${name}`;
  void keepRunning({
    command,
    logFile: folder.log(program),
    pidFile: folder.pidFile(program),
    holdFile: folder.holdFile(program),
  });
}

/** A kubelet that is refused tries again much later. */
async function untilApiServerAnswers(): Promise<void> {
  const { clusters, users } = JSON.parse(readFileSync(folder.kubeconfig(node.name), 'utf8'));
  const authority = Buffer.from(clusters[0].cluster['certificate-authority-data'], 'base64').toString();
  const requester = new ApiRequester(apiServerUrl, authority);
  const headers = { authorization: `Bearer ${users[0].user.token}` };
  const answers = async (): Promise<boolean> =>
    (await requester.request('GET', '/readyz', undefined, headers).catch(() => undefined))?.status === 200;
  while (!(await answers())) await delay(100);
}
