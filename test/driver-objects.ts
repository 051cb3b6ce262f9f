// What the chart installs into an API server for the driver, and the identities that its processes have there. Must not know
// how the server runs.
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseAllDocuments } from 'yaml';
import { projectRoot } from '../tools/run-tool.ts';
import type { ApiAnswer } from './api-requester.ts';
import { waitUntil } from './wait-until.ts';

const patienceMs = 60_000;

/** The part of an ApiServer that is needed here. */
export interface Requests {
  request(
    method: string,
    route: string,
    body?: unknown,
    options?: { readonly token?: string; readonly headers?: Readonly<Record<string, string>> },
  ): Promise<ApiAnswer>;
}

interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

export const driverNamespace = 'famfs-csi';
export const nodeServiceAccount = 'famfs-csi-node';
export const controllerServiceAccount = 'famfs-csi-controller';

const files = path.join(projectRoot, 'charts/famfs-csi/files');

const folders: Readonly<Record<string, string>> = {
  CustomResourceDefinition: '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
  Namespace: '/api/v1/namespaces',
  ServiceAccount: '/api/v1/namespaces/NAMESPACE/serviceaccounts',
  ClusterRole: '/apis/rbac.authorization.k8s.io/v1/clusterroles',
  ClusterRoleBinding: '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings',
  Role: '/apis/rbac.authorization.k8s.io/v1/namespaces/NAMESPACE/roles',
  RoleBinding: '/apis/rbac.authorization.k8s.io/v1/namespaces/NAMESPACE/rolebindings',
  ValidatingAdmissionPolicy: '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies',
  ValidatingAdmissionPolicyBinding: '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings',
  Node: '/api/v1/nodes',
};

/** The objects that a folder of charts/famfs-csi/files holds. */
export function chartObjects(folder: 'crds' | 'rbac'): readonly KubernetesObject[] {
  return globSync('*.yaml', { cwd: path.join(files, folder) })
    .sort()
    .flatMap((name) => parseAllDocuments(readFileSync(path.join(files, folder, name), 'utf8')))
    .map((document): KubernetesObject => document.toJS());
}

/** Declares the kinds of the group famfs.io, and waits until they are served. */
export async function installCrds(server: Requests): Promise<void> {
  const crds = chartObjects('crds');
  for (const crd of crds) await applied(server, crd);
  // A kind that has just been declared answers 404, and then 429 until its storage is there.
  for (const { metadata } of crds) {
    const route = `/apis/famfs.io/v1alpha1/${metadata.name.replace(/\..*/, '')}`;
    await waitUntil(
      `${metadata.name} is served`,
      async () => (await server.request('GET', route)).status === 200,
      patienceMs,
    );
  }
}

/** Makes service accounts, roles and the admission policy, and waits until the policy is in force. Declares the kinds, too. */
export async function installAccess(server: Requests): Promise<void> {
  await installCrds(server);
  await applied(server, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: driverNamespace } });
  for (const object of chartObjects('rbac')) await applied(server, object);
  // The server compiles a policy some time after it has taken it; until then nothing of it holds.
  const own = (kind: string, more: object = {}) => ({ apiVersion: 'famfs.io/v1alpha1', kind, ...more });
  await policyInForce(server, nodeServiceAccount, '/apis/famfs.io/v1alpha1/famfsnodes', own('FamfsNode'));
  const pool = own('FamfsPool', { spec: { format: { nodeName: 'none', device: 'dax0.0' } } });
  await policyInForce(server, controllerServiceAccount, '/apis/famfs.io/v1alpha1/famfspools', pool);
  await policyInForce(server, controllerServiceAccount, '/api/v1/nodes', { apiVersion: 'v1', kind: 'Node' });
}

/** Waits until the policy for an account denies it to make an object, which only roles would allow it. */
async function policyInForce(
  server: Requests,
  account: string,
  folder: string,
  object: object,
): Promise<void> {
  const probe = { ...object, metadata: { name: 'probe-of-the-policy' } };
  const headers = {
    'impersonate-user': `system:serviceaccount:${driverNamespace}:${account}`,
    'impersonate-group': 'system:masters',
  };
  await waitUntil(
    `the admission policy for ${account} at ${folder} is in force`,
    async () => (await server.request('POST', `${folder}?dryRun=All`, probe, { headers })).status === 403,
    patienceMs,
  );
}

/** A token of the driver's agent on a node, as the kubelet there gets it: bound to a pod that runs on the node. */
export async function agentToken(server: Requests, nodeName: string): Promise<string> {
  await applied(server, { apiVersion: 'v1', kind: 'Node', metadata: { name: nodeName } });
  const pods = `/api/v1/namespaces/${driverNamespace}/pods`;
  const pod = {
    metadata: { name: `famfs-csi-node-${nodeName}` },
    spec: {
      nodeName,
      serviceAccountName: nodeServiceAccount,
      // A kubelet gets no token of an account that asks for none to be mounted, unless a volume of the pod is one.
      volumes: [{ name: 'token', projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } }],
      containers: [
        {
          name: 'agent',
          image: 'famfs-csi',
          volumeMounts: [{ name: 'token', mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' }],
        },
      ],
    },
  };
  const made = await server.request('POST', pods, pod);
  const { body } = made.status === 409 ? await server.request('GET', `${pods}/${pod.metadata.name}`) : made;
  const { name, uid } = body.metadata;
  return tokenOf(server, nodeServiceAccount, { apiVersion: 'v1', kind: 'Pod', name, uid });
}

/** A token of the driver's controller. */
export function controllerToken(server: Requests): Promise<string> {
  return tokenOf(server, controllerServiceAccount);
}

/** A token of a service account of the driver, by TokenRequest. */
export async function tokenOf(server: Requests, account: string, boundObjectRef?: unknown): Promise<string> {
  const route = `/api/v1/namespaces/${driverNamespace}/serviceaccounts/${account}/token`;
  const { status, body } = await server.request('POST', route, { spec: { boundObjectRef } });
  if (status !== 201) throw new Error(`no token for ${account}: ${JSON.stringify(body)}`);
  return body.status.token;
}

/** Server-side apply: whoever comes second finds nothing to do. */
async function applied(server: Requests, object: KubernetesObject): Promise<void> {
  const { kind, metadata } = object;
  const folder = folders[kind]?.replace('NAMESPACE', metadata.namespace ?? '');
  const route = `${folder}/${metadata.name}?fieldManager=test&force=true`;
  const headers = { 'content-type': 'application/apply-patch+yaml' };
  const { status, body } = await server.request('PATCH', route, object, { headers });
  if (status !== 200 && status !== 201) throw new Error(`${kind} ${metadata.name}: ${JSON.stringify(body)}`);
}
