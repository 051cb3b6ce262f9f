// Which volumes some node may still have published, asked when a slot is about to be written over. Must not know slots.
import type { ApiClient } from '../kubernetes/api-client.ts';
import type { FamfsNode } from '../kubernetes/famfs-node.ts';
import { famfsNodes } from '../kubernetes/resources.ts';
import type { MounterClient } from '../mounter/client.ts';

const timeoutMs = 10_000;

export class PublishedVolumes {
  readonly #client: Pick<ApiClient, 'list'>;
  readonly #mounter: Pick<MounterClient, 'calls'>;

  constructor({
    client,
    mounter,
  }: { client: Pick<ApiClient, 'list'>; mounter: Pick<MounterClient, 'calls'> }) {
    this.#client = client;
    this.#mounter = mounter;
  }

  /**
   * Their ids: what this node's mounter has now, and what every node reported last, whether it reports still or not.
   * @throws DriverError when one of them cannot be asked; nothing is known to be free then
   */
  async ids(): Promise<ReadonlySet<string>> {
    const [{ binds }, { items }] = await Promise.all([
      this.#mounter.calls.listBinds({}, { timeoutMs }),
      this.#client.list<FamfsNode>(famfsNodes, { timeoutMs }),
    ]);
    const reported = items.flatMap(({ status }) => status?.publishedVolumeIDs ?? []);
    return new Set([...binds.map(({ volumeId }) => volumeId), ...reported]);
  }
}
