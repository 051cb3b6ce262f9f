// The programs of the control plane, as they are called. Must not know when they are started.
import path from 'node:path';
import type { ClusterFolder } from './cluster-folder.ts';
import { apiServer, bridge } from './cluster-shape.ts';
import { credentialFiles } from './credentials.ts';

export type ControlPlaneProgram = 'etcd' | 'kube-apiserver' | 'kube-controller-manager' | 'kube-scheduler';

/** All listen in the network namespace of the cluster, where no port is taken. */
export function controlPlaneCommand(program: ControlPlaneProgram, folder: ClusterFolder): string[] {
  const flags = {
    etcd: etcdFlags,
    'kube-apiserver': apiServerFlags,
    'kube-controller-manager': controllerManagerFlags,
    'kube-scheduler': schedulerFlags,
  }[program](folder);
  return [path.join(folder.programs, program), ...flags];
}

const etcdUrl = 'http://127.0.0.1:2379';
const etcdPeerUrl = 'http://127.0.0.1:2380';

function etcdFlags(folder: ClusterFolder): string[] {
  return [
    ...[
      '--name=e2e',
      `--data-dir=${path.join(folder.path, 'etcd')}`,
      '--unsafe-no-fsync',
      '--log-level=warn',
    ],
    ...[`--listen-client-urls=${etcdUrl}`, `--advertise-client-urls=${etcdUrl}`],
    ...[`--listen-peer-urls=${etcdPeerUrl}`, `--initial-advertise-peer-urls=${etcdPeerUrl}`],
    `--initial-cluster=e2e=${etcdPeerUrl}`,
  ];
}

function apiServerFlags(folder: ClusterFolder): string[] {
  const files = credentialFiles(folder);
  return [
    ...[`--etcd-servers=${etcdUrl}`, '--bind-address=0.0.0.0', `--secure-port=${apiServer.port}`],
    ...[`--advertise-address=${bridge.address}`, `--service-cluster-ip-range=${apiServer.serviceRange}`],
    ...[`--cert-dir=${folder.certificates}`, `--tls-cert-file=${files.serverCertificate}`],
    ...[`--tls-private-key-file=${files.serverKey}`, `--client-ca-file=${files.authority}`],
    // Without an authority of its own for this, the controller manager and the scheduler complain every few seconds.
    ...[`--requestheader-client-ca-file=${files.authority}`, '--requestheader-allowed-names=nobody'],
    `--token-auth-file=${files.tokens}`,
    ...['--authorization-mode=Node,RBAC', '--enable-admission-plugins=NodeRestriction', '--allow-privileged'],
    // The names of nodes resolve nowhere.
    '--kubelet-preferred-address-types=InternalIP',
    '--service-account-issuer=https://kubernetes.default.svc',
    ...[
      `--service-account-key-file=${files.tokenKey}`,
      `--service-account-signing-key-file=${files.tokenKey}`,
    ],
  ];
}

function controllerManagerFlags(folder: ClusterFolder): string[] {
  const { authority, tokenKey } = credentialFiles(folder);
  return [
    ...asUser(folder, 'kube-controller-manager'),
    ...['--use-service-account-credentials', `--service-account-private-key-file=${tokenKey}`],
    ...[`--root-ca-file=${authority}`, '--cluster-name=e2e'],
  ];
}

function schedulerFlags(folder: ClusterFolder): string[] {
  return asUser(folder, 'kube-scheduler');
}

function asUser(folder: ClusterFolder, user: string): string[] {
  const kubeconfig = folder.kubeconfig(user);
  return [
    ...[`--kubeconfig=${kubeconfig}`, `--authentication-kubeconfig=${kubeconfig}`],
    ...[`--authorization-kubeconfig=${kubeconfig}`, `--cert-dir=${folder.certificates}`],
    ...['--leader-elect=false', '--bind-address=127.0.0.1'],
  ];
}
