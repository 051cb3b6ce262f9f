// A real Kubernetes API server on a real etcd, as processes of the test that starts it. They live exactly as long as that
// test: when it ends, however it ends, they end and their folder goes. Must not know what tests keep in the server.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { buildKubernetes } from '../e2e/kubernetes-program.ts';
import { freePorts } from '../tools/free-ports.ts';
import { type ApiAnswer, ApiRequester } from './api-requester.ts';
import { installAccess, installCrds } from './driver-objects.ts';
import { logsIn, ServerProcesses } from './server-processes.ts';
import { TestAuthority } from './test-authority.ts';

/** Names a server that the runner of the tests started for all their files: `{"url": …, "folder": …}`. */
export const sharedServerVariable = 'FAMFS_CSI_API_SERVER';

const startTimeoutMs = 120_000;
/** Another process may take a free port between the question and its use. */
const startAttempts = 3;

export interface ApiServerOptions {
  /** A server of its own, for a test that restarts it or counts on its being empty. */
  readonly own?: boolean;
  /** Further flags of kube-apiserver. */
  readonly flags?: readonly string[];
}

/** A user as an X.509 client certificate can tell of it: no `extra`, for which a ServiceAccount's token is needed. */
export interface CertificateUser {
  readonly name: string;
  readonly groups: readonly string[];
}

export interface RequestOptions {
  readonly token?: string;
  /** Such as `accept`, or `impersonate-user` for whom the administrator may speak as. */
  readonly headers?: Readonly<Record<string, string>>;
}

export class ApiServer {
  /** `https://127.0.0.1:PORT` */
  readonly url: string;
  readonly folder: string;
  readonly #authority: TestAuthority;
  readonly #processes: ServerProcesses | undefined;
  readonly #adminToken: string;
  readonly #requester: ApiRequester;

  private constructor(url: string, folder: string, processes: ServerProcesses | undefined) {
    this.url = url;
    this.folder = folder;
    this.#authority = new TestAuthority(folder);
    this.#processes = processes;
    this.#adminToken = readFileSync(path.join(folder, 'admin-token'), 'utf8');
    this.#requester = new ApiRequester(url, this.#authority.certificate);
  }

  /**
   * Hands out the server that the runner of the tests shares among them, or starts one and waits until it is ready.
   * @throws Error with what the programs wrote when they do not come up
   */
  static async start({ own = false, flags = [] }: ApiServerOptions = {}): Promise<ApiServer> {
    const shared = process.env[sharedServerVariable];
    if (shared !== undefined && !own && flags.length === 0) {
      const { url, folder } = JSON.parse(shared) as { readonly url: string; readonly folder: string };
      return new ApiServer(url, folder, undefined);
    }
    const executable = buildKubernetes();
    for (let attempt = 1; ; attempt++) {
      const folder = mkdtempSync(path.join(os.tmpdir(), 'famfs-csi-api-'));
      const processes = new ServerProcesses(folder);
      try {
        const url = await startServer(executable, folder, flags, processes);
        return new ApiServer(url, folder, processes);
      } catch (error) {
        const log = processes.log;
        await processes.stop();
        if (attempt < startAttempts && log.includes('address already in use')) continue;
        throw new Error(`${String(error)}\n${log}`, { cause: error });
      }
    }
  }

  /** Of etcd and the API server; none of a shared one. */
  get pids(): readonly number[] {
    return this.#processes?.pids ?? [];
  }

  /** What a test file of another process needs in `sharedServerVariable`. */
  get sharedAs(): string {
    return JSON.stringify({ url: this.url, folder: this.folder });
  }

  /** The last that etcd and the API server wrote; of a shared one too. */
  get log(): string {
    return logsIn(this.folder);
  }

  /** Ends the processes and removes their folder; a shared server goes on. */
  async stop(): Promise<void> {
    await this.#processes?.stop();
  }

  /** Ends the API server alone, at once, as a crash would; etcd keeps what it has. Not for a shared one. */
  async crash(): Promise<void> {
    await this.#ownProcesses().kill('kube-apiserver');
  }

  /** Starts the API server that `crash` ended, at the same address. */
  async recover(): Promise<void> {
    this.#ownProcesses().restart('kube-apiserver');
    await untilReady(this.url, this.folder, this.#ownProcesses());
  }

  /** The text of a kubeconfig; without a user it is the administrator's, whom nothing is forbidden. */
  kubeconfig(user?: CertificateUser): string {
    if (user === undefined) return this.kubeconfigOfToken(this.#adminToken);
    const { certificate, key } = this.#authority.issue(user.name, user.groups, []);
    return kubeconfigText(this.url, this.#authority.certificate, {
      'client-certificate-data': base64(certificate),
      'client-key-data': base64(key),
    });
  }

  /** The text of a kubeconfig for whoever a bearer token speaks for. */
  kubeconfigOfToken(token: string): string {
    return kubeconfigText(this.url, this.#authority.certificate, { token });
  }

  /**
   * One request; the administrator's when it names no token. An answer of any status is an answer.
   * @param route such as `/apis/famfs.io/v1alpha1/famfspools`
   */
  request(
    method: string,
    route: string,
    body?: unknown,
    { token = this.#adminToken, headers = {} }: RequestOptions = {},
  ): Promise<ApiAnswer> {
    return this.#requester.request(method, route, body, { authorization: `Bearer ${token}`, ...headers });
  }

  /** Declares the driver's own kinds, unless that was done, and waits until they are served. */
  installCrds(): Promise<void> {
    return installCrds(this);
  }

  /** Makes the service accounts of the driver, with the rights and the limits that the chart gives them. */
  installAccess(): Promise<void> {
    return installAccess(this);
  }

  #ownProcesses(): ServerProcesses {
    if (this.#processes === undefined)
      throw new Error('This API server is shared; start one with { own: true }.');
    return this.#processes;
  }
}

async function startServer(
  executable: string,
  folder: string,
  flags: readonly string[],
  processes: ServerProcesses,
): Promise<string> {
  const [client, peer, secure] = await freePorts(3);
  const authority = TestAuthority.create(folder);
  const { certificate, key } = authority.issue('kube-apiserver', [], ['IP:127.0.0.1', 'DNS:localhost']);
  const file = (name: string, text: string): string => {
    const place = path.join(folder, name);
    writeFileSync(place, text, { mode: 0o600 });
    return place;
  };
  const adminToken = randomBytes(16).toString('hex');
  file('admin-token', adminToken);
  const signing = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const etcd = `http://127.0.0.1:${client}`;
  processes.start('etcd', [
    ...[
      executable,
      'etcd',
      '--name=test',
      `--data-dir=${path.join(folder, 'etcd')}`,
      '--unsafe-no-fsync',
      '--log-level=warn',
    ],
    ...[`--listen-client-urls=${etcd}`, `--advertise-client-urls=${etcd}`],
    ...[
      `--listen-peer-urls=http://127.0.0.1:${peer}`,
      `--initial-advertise-peer-urls=http://127.0.0.1:${peer}`,
    ],
    `--initial-cluster=test=http://127.0.0.1:${peer}`,
  ]);
  processes.start('kube-apiserver', [
    ...[
      executable,
      'kube-apiserver',
      `--etcd-servers=${etcd}`,
      '--bind-address=127.0.0.1',
      `--secure-port=${secure}`,
    ],
    // There are no nodes and no services: nobody looks for this server by its service.
    ...['--endpoint-reconciler-type=none', '--service-cluster-ip-range=10.96.0.0/16'],
    ...[`--cert-dir=${folder}`, `--tls-cert-file=${file('server.crt', certificate)}`],
    ...[`--tls-private-key-file=${file('server.key', key)}`, `--client-ca-file=${authority.certificateFile}`],
    `--token-auth-file=${file('tokens.csv', `${adminToken},admin,admin,system:masters\n`)}`,
    ...['--authorization-mode=Node,RBAC', '--enable-admission-plugins=NodeRestriction'],
    ...['--service-account-issuer=https://kubernetes.default.svc', '--allow-privileged'],
    ...[
      `--service-account-key-file=${file('tokens.pub', signing.publicKey)}`,
      `--service-account-signing-key-file=${file('tokens.key', signing.privateKey)}`,
    ],
    ...flags,
  ]);
  const url = `https://127.0.0.1:${secure}`;
  await untilReady(url, folder, processes);
  return url;
}

async function untilReady(url: string, folder: string, processes: ServerProcesses): Promise<void> {
  const giveUpAtMs = performance.now() + startTimeoutMs;
  const requester = new ApiRequester(url, new TestAuthority(folder).certificate);
  const token = readFileSync(path.join(folder, 'admin-token'), 'utf8');
  for (;;) {
    if (processes.ended !== undefined) throw new Error(`${processes.ended} ended before it was ready.`);
    const headers = { authorization: `Bearer ${token}` };
    const answer = await requester.request('GET', '/readyz', undefined, headers).catch(() => undefined);
    if (answer?.status === 200) return;
    if (performance.now() > giveUpAtMs)
      throw new Error(`The API server is not ready after ${startTimeoutMs / 1000} s.`);
    await delay(50);
  }
}

function kubeconfigText(url: string, certificate: string, user: Readonly<Record<string, string>>): string {
  const cluster = { server: url, 'certificate-authority-data': base64(certificate) };
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster }],
    users: [{ name: 'me', user }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'me' } }],
    'current-context': 'test',
  });
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
