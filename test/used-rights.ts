// What the driver's processes ask of the API server: each place in the code that does, and the right of RBAC that it takes of
// whose service account. What roles grant is held to this. Must not know how roles say it.
import { controllerServiceAccount, nodeServiceAccount } from './driver-objects.ts';

/** One place in the code that asks, as `src/FILE: CALL RESOURCE`, and the accounts whose processes come by it. */
interface Use {
  readonly place: string;
  /** `VERB GROUP/RESOURCE[/SUBRESOURCE]` */
  readonly rights: readonly string[];
  readonly accounts: readonly string[];
}

const agent = [nodeServiceAccount];
const controller = [controllerServiceAccount];
const both = [...agent, ...controller];

function use(accounts: readonly string[], place: string, ...rights: string[]): Use {
  return { place, rights, accounts };
}

/** An ObjectCache lists, and then watches. */
function follow(accounts: readonly string[], file: string, name: string, resource: string): Use {
  return use(accounts, `${file}: follow ${name}`, `list ${resource}`, `watch ${resource}`);
}

const uses: readonly Use[] = [
  follow(agent, 'roles/agent.ts', 'famfsVolumes', 'famfs.io/famfsvolumes'),
  follow(agent, 'roles/agent.ts', 'famfsPools', 'famfs.io/famfspools'),
  use(agent, 'roles/agent.ts: get famfsPools', 'get famfs.io/famfspools'),
  use(agent, 'roles/agent.ts: list famfsNodes', 'list famfs.io/famfsnodes'),
  use(agent, 'roles/agent.ts: get nodes', 'get /nodes'),
  use(agent, 'agent/famfs-node-object.ts: get famfsNodes', 'get famfs.io/famfsnodes'),
  use(agent, 'agent/famfs-node-object.ts: create famfsNodes', 'create famfs.io/famfsnodes'),
  use(agent, 'agent/famfs-node-object.ts: mergePatch famfsNodes', 'patch famfs.io/famfsnodes/status'),
  use(agent, 'agent/famfs-node-object.ts: get nodes', 'get /nodes'),
  use(agent, 'agent/slots-in-use.ts: list famfsNodes', 'list famfs.io/famfsnodes'),
  use(agent, 'agent/slots-in-use.ts: list famfsPools', 'list famfs.io/famfspools'),

  follow(controller, 'kubernetes/cluster-caches.ts', 'famfsPools', 'famfs.io/famfspools'),
  follow(controller, 'kubernetes/cluster-caches.ts', 'famfsNodes', 'famfs.io/famfsnodes'),
  follow(controller, 'kubernetes/cluster-caches.ts', 'famfsVolumes', 'famfs.io/famfsvolumes'),
  follow(controller, 'kubernetes/cluster-caches.ts', 'nodes', '/nodes'),
  follow(controller, 'kubernetes/cluster-caches.ts', 'csiNodes', 'storage.k8s.io/csinodes'),
  use(controller, 'kubernetes/event-recorder.ts: create events', 'create /events'),
  use(controller, 'kubernetes/event-recorder.ts: mergePatch events', 'patch /events'),
  use(controller, 'kubernetes/lease.ts: get leases', 'get coordination.k8s.io/leases'),
  use(controller, 'kubernetes/lease.ts: create leases', 'create coordination.k8s.io/leases'),
  use(controller, 'kubernetes/lease.ts: update leases', 'update coordination.k8s.io/leases'),
  use(controller, 'kubernetes/node-reconciler.ts: mergePatch nodes', 'patch /nodes'),
  use(controller, 'kubernetes/pool-finalizer.ts: mergePatch famfsPools', 'patch famfs.io/famfspools'),
  use(controller, 'kubernetes/pool-reconciler.ts: apply famfsPools', 'patch famfs.io/famfspools/status'),
  use(controller, 'kubernetes/pool-reconciler.ts: list famfsVolumes', 'list famfs.io/famfsvolumes'),

  // The controller makes, changes and removes records; of their status it writes nothing, and agents write nothing else.
  use(both, 'kubernetes/volume-records.ts: get famfsVolumes', 'get famfs.io/famfsvolumes'),
  use(controller, 'kubernetes/volume-records.ts: create famfsVolumes', 'create famfs.io/famfsvolumes'),
  use(controller, 'kubernetes/volume-records.ts: update famfsVolumes', 'update famfs.io/famfsvolumes'),
  use(controller, 'kubernetes/volume-records.ts: remove famfsVolumes', 'delete famfs.io/famfsvolumes'),
  use(
    agent,
    'kubernetes/volume-records.ts: updateStatus famfsVolumes',
    'update famfs.io/famfsvolumes/status',
  ),
];

/** The places in the code that ask, each once. */
export const usingPlaces: readonly string[] = [...new Set(uses.map(({ place }) => place))].sort();

/** What the processes of an account ask for: `VERB GROUP/RESOURCE[/SUBRESOURCE]`, each once. */
export function rightsUsedBy(account: string): readonly string[] {
  const own = uses.filter(({ accounts }) => accounts.includes(account));
  return [...new Set(own.flatMap(({ rights }) => rights))].sort();
}
