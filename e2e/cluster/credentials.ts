// The keys of a cluster and the kubeconfig of everybody in it. Must not know which programs use them.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { TestAuthority } from '../../test/test-authority.ts';
import type { ClusterFolder } from './cluster-folder.ts';
import { apiServer, apiServerUrl, nodes } from './cluster-shape.ts';

interface User {
  /** Of the kubeconfig. */
  readonly file: string;
  readonly name: string;
  readonly group: string;
}

const users: readonly User[] = [
  { file: 'admin', name: 'admin', group: 'system:masters' },
  { file: 'kube-controller-manager', name: 'system:kube-controller-manager', group: '' },
  { file: 'kube-scheduler', name: 'system:kube-scheduler', group: '' },
  ...nodes.map(({ name }) => ({ file: name, name: `system:node:${name}`, group: 'system:nodes' })),
];

/** The files that the programs of the control plane read. */
export interface CredentialFiles {
  readonly authority: string;
  readonly serverCertificate: string;
  readonly serverKey: string;
  /** Signs the tokens of service accounts. */
  readonly tokenKey: string;
  /** User, groups and the bearer token of each who comes with one. */
  readonly tokens: string;
}

export function credentialFiles(folder: ClusterFolder): CredentialFiles {
  const file = (name: string): string => path.join(folder.certificates, name);
  return {
    authority: file('ca.crt'),
    serverCertificate: file('server.crt'),
    serverKey: file('server.key'),
    tokenKey: file('tokens.key'),
    tokens: file('tokens.csv'),
  };
}

export function makeCredentials(folder: ClusterFolder): void {
  mkdirSync(folder.certificates, { recursive: true, mode: 0o700 });
  const files = credentialFiles(folder);
  const write = (file: string, text: string): void => writeFileSync(file, text, { mode: 0o600 });
  const authority = TestAuthority.create(folder.certificates);
  const names = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc'];
  const { certificate, key } = authority.issue(
    'kube-apiserver',
    [],
    [`IP:${apiServer.address}`, 'IP:127.0.0.1', ...names.map((name) => `DNS:${name}`)],
  );
  write(files.serverCertificate, certificate);
  write(files.serverKey, key);
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  write(files.tokenKey, privateKey.export({ type: 'sec1', format: 'pem' }).toString());
  const lines = users.map(({ file, name, group }) => {
    const token = randomBytes(16).toString('hex');
    write(folder.kubeconfig(file), kubeconfig(authority.certificate, token));
    return `${token},${name},${name},"${group}"`;
  });
  write(files.tokens, `${lines.join('\n')}\n`);
}

function kubeconfig(certificate: string, token: string): string {
  const authority = Buffer.from(certificate).toString('base64');
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'e2e', cluster: { server: apiServerUrl, 'certificate-authority-data': authority } }],
    users: [{ name: 'me', user: { token } }],
    contexts: [{ name: 'e2e', context: { cluster: 'e2e', user: 'me' } }],
    'current-context': 'e2e',
  });
}
