// What a person wants to see of a cluster when a scenario has failed in it. Must not know what the scenario was.
import type { KubeApi, KubeObject } from './kube-api.ts';

const shownLogCharacters = 4_000;

/** Events and pods of the namespace, and of the driver: its pods, what they wrote last, and its objects. */
export async function troubles(api: KubeApi, namespace: string, driverNamespace: string): Promise<string> {
  const sections = [
    ['events', eventsOf(api, namespace)],
    ['claims', statusOf(api, 'v1', 'PersistentVolumeClaim', namespace)],
    ['pods', podsOf(api, namespace)],
    ["the driver's pods", podsOf(api, driverNamespace)],
    ...['FamfsPool', 'FamfsVolume', 'FamfsNode'].map(
      (kind) => [kind, statusOf(api, 'famfs.io/v1alpha1', kind)] as const,
    ),
    ["the driver's logs", logsOf(api, driverNamespace)],
  ] as const;
  const texts = sections.map(async ([title, section]) => {
    const text = await section.catch((error: unknown) => String(error));
    return `── ${title}\n${text === '' ? '(none)' : text}`;
  });
  return (await Promise.all(texts)).join('\n');
}

async function eventsOf(api: KubeApi, namespace: string): Promise<string> {
  const events = await api.list('v1', 'Event', namespace);
  return events
    .map(({ type, reason, involvedObject: on, message, count }) => {
      return `${type} ${reason} ${on.kind}/${on.name}: ${message}${count > 1 ? ` (${count} times)` : ''}`;
    })
    .join('\n');
}

async function podsOf(api: KubeApi, namespace: string): Promise<string> {
  const pods = await api.list('v1', 'Pod', namespace);
  return pods.map(describePod).join('\n');
}

function describePod({ metadata, spec, status }: KubeObject): string {
  const containers = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])];
  const states = containers.map(
    ({ name, state, restartCount }) => `  ${name} (${restartCount} restarts): ${JSON.stringify(state)}`,
  );
  return [`${metadata.name} on ${spec.nodeName ?? 'no node'}: ${status.phase}`, ...states].join('\n');
}

async function statusOf(api: KubeApi, apiVersion: string, kind: string, namespace?: string): Promise<string> {
  const objects = await api.list(apiVersion, kind, namespace);
  return objects.map(({ metadata, status }) => `${metadata.name}: ${JSON.stringify(status)}`).join('\n');
}

async function logsOf(api: KubeApi, namespace: string): Promise<string> {
  const pods = await api.list('v1', 'Pod', namespace);
  const texts = pods.flatMap(({ metadata, spec }) =>
    [...(spec.initContainers ?? []), ...spec.containers].map(async ({ name }) => {
      const log = await api.logs(namespace, metadata.name, name).catch((error: unknown) => String(error));
      return `${metadata.name}/${name}:\n${log.slice(-shownLogCharacters)}`;
    }),
  );
  return (await Promise.all(texts)).join('\n');
}
