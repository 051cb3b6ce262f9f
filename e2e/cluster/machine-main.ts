// The first program in the namespaces of a cluster: makes its network, runs the control plane and the nodes, and tells what it
// has come to. Lives as long as the cluster. Must not know who asked for it.
import { execFileSync } from 'node:child_process';
import { appendFileSync, readFileSync, readlinkSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ApiRequester } from '../../test/api-requester.ts';
import { asInit } from './as-init.ts';
import { ClusterFolder } from './cluster-folder.ts';
import { apiServerUrl, type NodeShape, nodes, sharedMemory } from './cluster-shape.ts';
import { type ControlPlaneProgram, controlPlaneCommand } from './control-plane.ts';
import { credentialFiles } from './credentials.ts';
import { keepRunning } from './kept-running.ts';
import { connectNode, makeClusterNetwork } from './network.ts';
import { readyLine } from './progress.ts';

const pollMs = 100;
const folder = new ClusterFolder(process.argv[2] ?? '');
const startedAtMs = performance.now();

function tell(what: string): void {
  const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1);
  appendFileSync(folder.progress, `${seconds.padStart(6)} s  ${what}\n`);
}

function start(program: ControlPlaneProgram): void {
  void keepRunning({
    command: controlPlaneCommand(program, folder),
    logFile: folder.log(program),
    pidFile: folder.pidFile(program),
    holdFile: folder.holdFile(program),
  });
}

/** A node is a machine of its own as far as it can tell; to end its first process is to pull its plug. */
function startNode(node: NodeShape): void {
  const ownMachine = ['--mount', '--uts', '--net', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const main = [process.execPath, path.join(import.meta.dirname, 'node-main.ts'), folder.name, node.name];
  void keepRunning({
    command: ['unshare', ...ownMachine, '--', ...asInit(main)],
    started: (pid) => plugIn(node, pid),
    logFile: folder.log(node.name),
    pidFile: folder.pidFile(node.name),
    holdFile: folder.holdFile(node.name),
  });
}

async function plugIn(node: NodeShape, pid: number): Promise<void> {
  const namespace = (of: string | number): string => readlinkSync(`/proc/${of}/ns/net`);
  while (namespace(pid) === namespace('self')) await delay(5);
  connectNode(node, pid);
}

async function untilReady(): Promise<void> {
  const kubeconfig = JSON.parse(readFileSync(folder.kubeconfig(), 'utf8'));
  const headers = { authorization: `Bearer ${kubeconfig.users[0].user.token}` };
  const requester = new ApiRequester(apiServerUrl, readFileSync(credentialFiles(folder).authority, 'utf8'));
  const get = (route: string) =>
    requester.request('GET', route, undefined, headers).catch(() => ({ status: 0, body: undefined }));
  const until = async (what: string, holds: () => Promise<boolean>): Promise<void> => {
    while (!(await holds())) await delay(pollMs);
    tell(what);
  };
  await until('the API server answers', async () => (await get('/readyz')).status === 200);
  start('kube-controller-manager');
  start('kube-scheduler');
  for (const { name } of nodes) {
    await until(`${name} is ready`, async () => {
      const { body } = await get(`/api/v1/nodes/${name}`);
      const conditions: readonly { type: string; status: string }[] = body?.status?.conditions ?? [];
      return conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
    });
  }
  const account = '/api/v1/namespaces/default/serviceaccounts/default';
  await until('pods can be made', async () => (await get(account)).status === 200);
}

execFileSync('mount', ['-t', 'tmpfs', '-o', 'mode=1777', 'tmpfs', sharedMemory]);
makeClusterNetwork();
start('etcd');
start('kube-apiserver');
for (const node of nodes) startNode(node);
await untilReady();
tell(readyLine);
