// The FamfsNode of this node as its agent reads and writes it: made when it is missing, owned by the Node, so that it goes
// when the node goes. Knows nothing of what the status says.
import { DriverError } from '../errors.ts';
import type { ApiClient } from '../kubernetes/api-client.ts';
import { type ApiObject, apiVersion } from '../kubernetes/api-object.ts';
import type { FamfsNode, FamfsNodeStatus } from '../kubernetes/famfs-node.ts';
import { famfsNodes, nodes } from '../kubernetes/resources.ts';

const requestTimeoutMs = 10_000;

export class FamfsNodeObject {
  readonly #client: Pick<ApiClient, 'get' | 'create' | 'mergePatch'>;
  readonly #name: string;
  #isThere = false;

  /** @param name of the Node, and so of its FamfsNode */
  constructor(client: Pick<ApiClient, 'get' | 'create' | 'mergePatch'>, name: string) {
    this.#client = client;
    this.#name = name;
  }

  /** What was reported last, by whatever process. @throws DriverError of the API client */
  async read(signal: AbortSignal): Promise<FamfsNodeStatus | undefined> {
    const found = await this.#client.get<FamfsNode>(famfsNodes, this.#name, this.#options(signal));
    this.#isThere = found !== undefined;
    return found?.status;
  }

  /** Writes the whole status; nobody else writes any of it. @throws DriverError of the API client */
  async write(status: FamfsNodeStatus, signal: AbortSignal): Promise<void> {
    if (!this.#isThere) await this.#make(signal);
    const options = { subresource: 'status' as const, ...this.#options(signal) };
    // Whatever went wrong, the object may be gone, as when its Node was deleted and has come back.
    this.#isThere = false;
    // Not by server-side apply: a list of which it takes the last item is gone, and every list is required.
    await this.#client.mergePatch<FamfsNode>(famfsNodes, this.#name, { status }, options);
    this.#isThere = true;
  }

  async #make(signal: AbortSignal): Promise<void> {
    const options = this.#options(signal);
    if ((await this.#client.get<FamfsNode>(famfsNodes, this.#name, options)) !== undefined) return;
    const node = await this.#client.get<ApiObject>(nodes, this.#name, options);
    const uid = node?.metadata.uid;
    if (uid === undefined) {
      throw new DriverError(
        'config-invalid',
        `The cluster has no Node named ${JSON.stringify(this.#name)}; --node-id has to be the name of one.`,
      );
    }
    const owner = { apiVersion: 'v1', kind: 'Node', name: this.#name, uid };
    const metadata = { name: this.#name, ownerReferences: [owner] };
    await this.#client.create<FamfsNode>(famfsNodes, { apiVersion, kind: 'FamfsNode', metadata }, options);
  }

  #options(signal: AbortSignal): { signal: AbortSignal; timeoutMs: number } {
    return { signal, timeoutMs: requestTimeoutMs };
  }
}
