// What the driver's own accounts may do, by the tokens that its running pods hold, and what everybody else's may not.
import assert from 'node:assert/strict';
import { boundClaim } from '../world/claimed-volume.ts';
import { controllers, driverPod, driverPods, mounters, nodePlugins } from '../world/driver-pods.ts';
import type { CommandOutcome, KubeObject } from '../world/kube-api.ts';
import {
  kubectl,
  kubectlAs,
  tryToApplyStatus,
  tryToCreate,
  tryToPatch,
  tryToReplaceStatus,
} from '../world/kubectl.ts';
import { scenario } from '../world/scenario.ts';
import type { World } from '../world/world.ts';

const tokenFile = '/var/run/secrets/kubernetes.io/serviceaccount/token';
const nodes = ['node-a', 'node-b'] as const;

scenario(
  'the agent’s token of a node writes its own FamfsNode, and neither another’s nor one that it makes up',
  async (world) => {
    for (const [node, other] of [nodes, nodes.toReversed()] as [string, string][]) {
      const token = await tokenOfPod(world, await driverPod(world, nodePlugins, node), 'agent');
      const { stdout } = kubectlAs(world, token, 'auth', 'whoami', '--output=json');
      const { extra } = JSON.parse(stdout).status.userInfo;
      assert.deepEqual(extra['authentication.kubernetes.io/node-name'], [node]);
      allowed(tryStatus(world, token, 'FamfsNode', node));
      denied(
        tryStatus(world, token, 'FamfsNode', other),
        new RegExp(`issued for the node ${node}, which may write no other FamfsNode than its own`),
      );
      denied(createNode(world, token, 'made-up'), /may write no other FamfsNode than its own/);
    }
  },
  { needs: 'console' },
);

scenario(
  'only the node that makes a volume may say how it is',
  async (world) => {
    await world.claim('data', 'both', '2Mi');
    await world.pod({ name: 'user', volumes: [{ claim: 'data' }] });
    await boundClaim(world, 'data');
    const [maker, other] = await Promise.all(
      nodes.map(async (node) => tokenOfPod(world, await driverPod(world, nodePlugins, node), 'agent')),
    );
    allowed(await tryAs(maker ?? ''));
    denied(await tryAs(other ?? ''), /is made by the node node-a; the token was issued for the node node-b/);

    /** An answer that somebody else was quicker says nothing of rights. */
    function tryAs(token: string): Promise<CommandOutcome> {
      return world.until('the record is asked to be replaced as it is', async () => {
        const records = await world.api.list('famfs.io/v1alpha1', 'FamfsVolume');
        const record = records.find(({ spec }) => spec.claim?.namespace === world.namespace) ?? assert.fail();
        assert.equal(record.spec.nodeName, 'node-a');
        const object = { ...record, apiVersion: 'famfs.io/v1alpha1', kind: 'FamfsVolume' };
        const outcome = tryToReplaceStatus(world, token, object);
        return !outcome.stderr.includes('the object has been modified') && outcome;
      });
    }
  },
  { needs: 'console' },
);

scenario(
  'a token of the node’s account that is bound to no pod writes nothing',
  async (world) => {
    const { driverNamespace } = world.ground;
    const made = kubectl(world, 'create', 'token', 'famfs-csi-node', `--namespace=${driverNamespace}`);
    assert.equal(made.status, 0, made.stderr);
    for (const node of nodes) {
      const attempt = tryStatus(world, made.stdout.trim(), 'FamfsNode', node);
      denied(attempt, /The token names no node/);
    }
  },
  { needs: 'console' },
);

scenario(
  'what the accounts of node, controller and mounter need not do is forbidden to them',
  async (world) => {
    const { driverNamespace } = world.ground;
    const node = await tokenOfPod(world, await driverPod(world, nodePlugins, 'node-a'), 'agent');
    const controller = await tokenOfController(world);
    const made = kubectl(world, 'create', 'token', 'famfs-csi-mounter', `--namespace=${driverNamespace}`);
    const mounter = made.stdout.trim();
    const everybody = [
      ['get', 'secrets', '--all-namespaces'],
      ['get', 'configmaps', '--all-namespaces'],
      ['create', 'token', 'default', `--namespace=${world.namespace}`],
      ['auth', 'can-i', 'create', 'pods', '--all-namespaces'],
      ['auth', 'can-i', 'create', 'pods/exec', `--namespace=${driverNamespace}`],
      ['delete', 'famfspool', 'only-a', '--dry-run=server'],
      ['delete', 'famfsnode', 'node-a', '--dry-run=server'],
      ['delete', 'storageclass', 'both', '--dry-run=server'],
      ['label', 'namespace', world.namespace, 'is=mine', '--dry-run=server'],
      ['label', 'clusterrole', 'famfs-csi-node', 'is=mine', '--dry-run=server'],
    ];
    for (const token of [node, controller, mounter])
      for (const command of everybody) denied(kubectlAs(world, token, ...command), /[Ff]orbidden|^no/m);
    // An agent may read what it has to, and change nothing but what it reports.
    for (const command of [
      ['label', 'node', 'node-a', 'is=mine', '--dry-run=server'],
      ['annotate', 'famfspool', 'both', 'famfs.io/reset=x', '--dry-run=server'],
      ['label', 'famfsnode', 'node-a', 'is=mine', '--dry-run=server'],
      ['delete', 'famfsvolumes', '--all', '--dry-run=server'],
      ['get', 'persistentvolumes'],
      ['get', 'pods', '--all-namespaces'],
    ])
      denied(kubectlAs(world, node, ...command), /Forbidden/);
    allowed(kubectlAs(world, node, 'get', 'famfspools'));
    // A mounter may nothing at all.
    for (const kind of ['famfspools', 'famfsnodes', 'famfsvolumes', 'nodes'])
      denied(kubectlAs(world, mounter, 'get', kind), /Forbidden/);
  },
  { needs: 'console' },
);

scenario(
  'the controller’s token can neither order a format or a reset, nor allow writes, nor speak for a node',
  async (world) => {
    const token = await tokenOfController(world);
    const policy = /all else of the object is the administrator's/;
    const pool = { apiVersion: 'famfs.io/v1alpha1', kind: 'FamfsPool', metadata: { name: 'both' } };
    for (const change of [
      { spec: { writes: 'Allowed' } },
      { spec: { deletedVolumes: 'Keep' } },
      { metadata: { annotations: { 'famfs.io/reset': 'x' } } },
    ])
      denied(tryToPatch(world, token, pool, change), policy);
    for (const node of nodes) denied(tryStatus(world, token, 'FamfsNode', node), /Forbidden/);
  },
  { needs: 'console' },
);

scenario('the containers that can mount, and that serve kubelet, hold no token', async (world) => {
  for (const node of nodes) {
    const pods = [await driverPod(world, nodePlugins, node), await driverPod(world, mounters, node)];
    for (const [pod, container] of [
      [pods[0], 'node'],
      [pods[1], 'mounter'],
    ] as const) {
      const { metadata } = pod ?? assert.fail();
      const look = ['ls', '-A', '/var/run/secrets'];
      const { status, stdout, stderr } = await world.api.run(
        metadata.namespace,
        metadata.name,
        container,
        look,
      );
      assert.notEqual(status, 0, stdout);
      assert.match(stderr, /No such file or directory/);
    }
  }
});

scenario(
  'the token of an ordinary pod reads and changes nothing of the driver',
  async (world) => {
    await world.pod({ name: 'ordinary' });
    const token = await world.inPod('ordinary', 'cat', tokenFile);
    const pool = {
      apiVersion: 'famfs.io/v1alpha1',
      kind: 'FamfsPool',
      metadata: { name: world.namespace },
      spec: { format: { nodeName: 'node-a', device: 'dax5.0' } },
    };
    for (const kind of ['famfspools', 'famfsnodes', 'famfsvolumes'])
      denied(kubectlAs(world, token, 'get', kind), /Forbidden/);
    denied(tryStatus(world, token, 'FamfsNode', 'node-a'), /[Ff]orbidden/);
    for (const command of [
      ['annotate', 'famfspool', 'both', 'famfs.io/reset=x', '--dry-run=server'],
      ['delete', 'famfsvolumes', '--all', '--dry-run=server'],
      ['get', 'pods', `--namespace=${world.ground.driverNamespace}`],
    ])
      denied(kubectlAs(world, token, ...command), /Forbidden/);
    denied(kubectlAs(world, token, 'get', '--raw', `/apis/famfs.io/v1alpha1/famfspools`), /[Ff]orbidden/);
    denied(tryToCreate(world, token, pool), /[Ff]orbidden/);
  },
  { needs: 'console' },
);

/** Of any of its replicas. */
async function tokenOfController(world: World): Promise<string> {
  const [pod] = await driverPods(world, controllers);
  return tokenOfPod(world, pod ?? assert.fail('There is no pod of the controller.'), 'controller');
}

async function tokenOfPod(world: World, { metadata }: KubeObject, container: string): Promise<string> {
  const { status, stdout, stderr } = await world.api.run(metadata.namespace, metadata.name, container, [
    'cat',
    tokenFile,
  ]);
  assert.equal(status, 0, stderr);
  return stdout.trim();
}

/** Asks to write a status, as an agent does; nothing is changed even if that is allowed. */
function tryStatus(world: World, token: string, kind: string, name: string): CommandOutcome {
  return tryToApplyStatus(world, token, { apiVersion: 'famfs.io/v1alpha1', kind, metadata: { name } });
}

function createNode(world: World, token: string, name: string): CommandOutcome {
  const owner = {
    apiVersion: 'v1',
    kind: 'Node',
    name: 'node-a',
    uid: '00000000-0000-0000-0000-000000000000',
  };
  const metadata = { name, ownerReferences: [owner] };
  return tryToCreate(world, token, { apiVersion: 'famfs.io/v1alpha1', kind: 'FamfsNode', metadata });
}

function allowed({ status, stderr }: CommandOutcome): void {
  assert.equal(status, 0, stderr);
}

function denied({ status, stdout, stderr }: CommandOutcome, why: RegExp): void {
  assert.notEqual(status, 0, stdout);
  assert.match(`${stdout}${stderr}`, why);
}
