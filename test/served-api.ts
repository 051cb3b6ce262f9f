// A client of the API server beside the small server it talks to, for one test. Ending it fails when anything is left over.
import type { TestContext } from 'node:test';
import { ApiClient } from '../src/kubernetes/api-client.ts';
import type { ApiObject } from '../src/kubernetes/api-object.ts';
import { KubeAccess } from '../src/kubernetes/kube-access.ts';
import { famfsPools, pathOf } from '../src/kubernetes/resources.ts';
import { silentLogger } from '../src/observe/logger.ts';
import { ListWatchServer, type ServedObject } from './list-watch-server.ts';
import { waitUntil } from './wait-until.ts';

/** An object of a kind that needs nothing to be valid for the small server. */
export interface Thing extends ApiObject {
  readonly kind: 'FamfsPool';
  readonly spec: { readonly value: number };
}

export const things = famfsPools;
export const thingsPath: string = pathOf(things);

export function thing(name: string, value = 0): Thing & ServedObject {
  return { apiVersion: 'famfs.io/v1alpha1', kind: 'FamfsPool', metadata: { name }, spec: { value } };
}

export interface ServedApi {
  readonly server: ListWatchServer;
  readonly client: ApiClient;
}

/**
 * Starts a server and a client for it. `afterwards` runs first when the test is over; then connections and timers of this
 * process have to be what they were.
 */
export async function servedApi(
  test: TestContext,
  options: { timeoutMs?: number; afterwards?: () => Promise<void> } = {},
): Promise<ServedApi> {
  const before = liveResources();
  const server = await ListWatchServer.start();
  const access = KubeAccess.fromText(server.kubeconfig());
  const client = new ApiClient({ access, log: silentLogger, timeoutMs: options.timeoutMs ?? 10_000 });
  test.after(async () => {
    await options.afterwards?.();
    client.close();
    await waitUntil('the client has no connection left', () => server.connections === 0);
    await server.stop();
    await waitUntil('no timer and no socket is left', () => liveResources() === before);
  });
  return { server, client };
}

function liveResources(): string {
  const kinds = process.getActiveResourcesInfo().filter((kind) => /Timeout|TCP|Immediate/.test(kind));
  return kinds.sort().join(' ');
}
