// Containers as the node itself knows them, which needs no API server. Must not know any scenario.
import type { KubeObject } from './kube-api.ts';
import type { World } from './world.ts';

export interface NodeContainer {
  readonly node: string;
  readonly podUid: string;
  readonly name: string;
  readonly id: string;
}

/** The containers of a pod, as the API server knows them now. */
export function containersOf({ metadata, spec, status }: KubeObject): NodeContainer[] {
  return status.containerStatuses.map(
    ({ name, containerID }: { readonly name: string; readonly containerID: string }) => ({
      node: spec.nodeName,
      podUid: metadata.uid,
      name,
      id: containerID.replace(/^containerd:\/\//, ''),
    }),
  );
}

/** Ends the processes of a container, as a crash would. */
export function killContainer(world: World, { node, id }: NodeContainer): void {
  world.console.on(node, ...ctr, 'tasks', 'kill', '--signal', 'SIGKILL', id);
}

/** Whether a container of that name runs in the pod, another than the given one if one is given. */
export function runs(world: World, container: Omit<NodeContainer, 'id'> & { readonly id?: string }): boolean {
  const { node, podUid, name, id } = container;
  const isTheSame = `labels."io.kubernetes.pod.uid"==${podUid},labels."io.kubernetes.container.name"==${name}`;
  const known = words(world.console.on(node, ...ctr, 'containers', 'list', '--quiet', isTheSame));
  const running = world.console
    .on(node, ...ctr, 'tasks', 'list')
    .split('\n')
    .filter((line) => line.trim().endsWith('RUNNING'))
    .flatMap((line) => words(line).slice(0, 1));
  return known.some((each) => each !== id && running.includes(each));
}

/** Whether what listens there calls itself ready. Asked from the node, which reaches its pods. */
export function isReady(world: World, pod: KubeObject, port: number): boolean {
  const ask = `exec 3<>/dev/tcp/${pod.status.podIP}/${port} && printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3 && head -n 1 <&3`;
  return /^HTTP\/1\.\d 200 /.test(world.console.on(pod.spec.nodeName, 'timeout', '10', 'bash', '-c', ask));
}

const ctr = ['ctr', '--namespace', 'k8s.io'];

function words(output: string): string[] {
  return output.split(/\s+/).filter((word) => word !== '');
}
