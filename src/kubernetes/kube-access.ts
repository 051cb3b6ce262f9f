// Where the API server is and how this process proves who it is: from the pod it runs in, or from a kubeconfig. Knows no
// request. The one place that touches @kubernetes/client-node, whose KubeConfig reads all the forms that credentials take.
import { existsSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';
import { DriverError } from '../errors.ts';

/** What a request needs besides its path: who asks, and the connections it may use. */
export interface Admission {
  readonly headers: Readonly<Record<string, string>>;
  readonly agent: http.Agent;
}

/** Files of tokens and certificates are renewed under a running process (service account tokens within the hour). */
const rereadMs = 30_000;
const maximumIdleSockets = 16;
/** As client-go: shorter than the idle limits of load balancers. */
const keepAliveMs = 30_000;
const tokenFile = '/var/run/secrets/kubernetes.io/serviceaccount/token';

type TlsOptions = Pick<
  https.AgentOptions,
  'ca' | 'cert' | 'key' | 'pfx' | 'passphrase' | 'servername' | 'rejectUnauthorized'
>;

/** The way to one API server, with its connections. */
export class KubeAccess {
  readonly server: URL;
  readonly #load: () => KubeConfig;
  #config: KubeConfig;
  #admission: Promise<Admission> | undefined;
  #readAt = Number.NEGATIVE_INFINITY;
  #agent: http.Agent | undefined;
  #agentKey = '';
  #closed = false;

  /** @throws DriverError `config-invalid` */
  constructor(load: () => KubeConfig) {
    this.#load = load;
    this.#config = loaded(load);
    this.server = serverOf(this.#config);
  }

  /**
   * The kubeconfig file, or the service account of the pod when there is none.
   * @throws DriverError `config-invalid`
   */
  static from({ kubeconfig }: { kubeconfig?: string | undefined }): KubeAccess {
    return kubeconfig === undefined ? KubeAccess.inCluster() : KubeAccess.fromFile(kubeconfig);
  }

  static inCluster(): KubeAccess {
    return new KubeAccess(() => {
      if (process.env.KUBERNETES_SERVICE_HOST === undefined || !existsSync(tokenFile)) {
        throw new Error(`this is no pod with a service account (there is no ${tokenFile})`);
      }
      const config = new KubeConfig();
      config.loadFromCluster();
      return config;
    });
  }

  static fromFile(file: string): KubeAccess {
    return new KubeAccess(() => {
      const config = new KubeConfig();
      config.loadFromFile(file);
      return config;
    });
  }

  /** @param text a kubeconfig in YAML or JSON */
  static fromText(text: string): KubeAccess {
    return new KubeAccess(() => {
      const config = new KubeConfig();
      config.loadFromString(text);
      return config;
    });
  }

  /**
   * The headers and the connections for the next request. Credentials are read again now and then, and after `renew`.
   * @throws DriverError `shutting-down` after `close`
   */
  admission(): Promise<Admission> {
    if (this.#closed) {
      const error = new DriverError('shutting-down', 'The connection to the API server was closed.');
      return Promise.reject(error);
    }
    const now = performance.now();
    if (this.#admission === undefined || now - this.#readAt >= rereadMs) {
      this.#readAt = now;
      const reading = this.#read();
      this.#admission = reading;
      // What failed is tried again by the next request.
      reading.catch(() => {
        if (this.#admission === reading) this.#admission = undefined;
      });
    }
    return this.#admission;
  }

  /** Reads everything anew for the next request: the server did not accept who we said we are (401). */
  renew(): void {
    this.#admission = undefined;
    try {
      this.#config = loaded(this.#load);
    } catch {
      // The file is being replaced at this moment, perhaps: what was known is all there is.
    }
  }

  /** Closes connections that are not in use: some may lead nowhere any more. */
  dropIdleConnections(): void {
    for (const socket of Object.values(this.#agent?.freeSockets ?? {}).flat()) socket?.destroy();
  }

  /** Ends every connection, for good. */
  close(): void {
    this.#closed = true;
    this.#agent?.destroy();
  }

  async #read(): Promise<Admission> {
    const options: https.RequestOptions = {};
    await this.#config.applyToHTTPSOptions(options);
    const headers: Record<string, string> = {};
    if (typeof options.auth === 'string') {
      headers.authorization = `Basic ${Buffer.from(options.auth).toString('base64')}`;
    }
    for (const [name, value] of Object.entries(options.headers ?? {})) {
      // A token in a file may end in a newline.
      headers[name.toLowerCase()] = String(value).trim();
    }
    const proxied = this.#config.getCurrentCluster()?.proxyUrl !== undefined;
    // The agent that client-node makes opens a connection for every request; behind a proxy it is the one that knows how.
    if (proxied && options.agent instanceof http.Agent) return { headers, agent: options.agent };
    return { headers, agent: this.#agentFor(options) };
  }

  #agentFor(options: https.RequestOptions): http.Agent {
    const { ca, cert, key, pfx, passphrase, servername, rejectUnauthorized } = options;
    const given = { ca, cert, key, pfx, passphrase, servername, rejectUnauthorized };
    const tls: TlsOptions = Object.fromEntries(
      Object.entries(given).filter(([, value]) => value !== undefined),
    );
    const agentKey = JSON.stringify(tls);
    if (this.#agent !== undefined && agentKey === this.#agentKey) return this.#agent;
    // Requests under way keep their connections; none is used again.
    if (this.#agent !== undefined) {
      this.#agent.maxFreeSockets = 0;
      this.dropIdleConnections();
    }
    const shared = { keepAlive: true, keepAliveMsecs: keepAliveMs, maxFreeSockets: maximumIdleSockets };
    this.#agent =
      this.server.protocol === 'https:' ? new https.Agent({ ...shared, ...tls }) : new http.Agent(shared);
    this.#agentKey = agentKey;
    return this.#agent;
  }
}

function loaded(load: () => KubeConfig): KubeConfig {
  try {
    return load();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new DriverError(
      'config-invalid',
      `It is not known how to reach the API server: ${why}. Run in a pod with a service account, or name a kubeconfig file.`,
      { cause: error },
    );
  }
}

function serverOf(config: KubeConfig): URL {
  const server = config.getCurrentCluster()?.server;
  if (server === undefined || !URL.canParse(server)) {
    throw new DriverError(
      'config-invalid',
      'The kubeconfig names no server: its current context leads to no cluster with a URL. Set the current context.',
    );
  }
  return new URL(server);
}
