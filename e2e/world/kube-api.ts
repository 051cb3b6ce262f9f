// Objects of any kind in the API server of the cluster under test, and commands in its pods. Must not know what is tested.
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import {
  ApiException,
  CoreV1Api,
  Exec,
  KubeConfig,
  KubernetesObjectApi,
  PatchStrategy,
  type V1Status,
} from '@kubernetes/client-node';

// biome-ignore lint/suspicious/noExplicitAny: tests reach into objects of any kind, and fail where something is missing
export type Fields = any;

/** Enough to find an object by. */
export interface ObjectName {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

export interface KubeObject extends ObjectName {
  readonly metadata: ObjectName['metadata'] & Fields;
  readonly [field: string]: Fields;
}

export interface CommandOutcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCommand {
  readonly stdin: PassThrough;
  readonly stdout: PassThrough;
  readonly stderr: PassThrough;
  readonly status: Promise<number>;
}

const fieldManager = 'famfs-csi-e2e';

export class KubeApi {
  readonly #config = new KubeConfig();
  readonly #objects: KubernetesObjectApi;
  readonly #core: CoreV1Api;

  constructor(kubeconfigFile: string) {
    this.#config.loadFromFile(kubeconfigFile);
    this.#objects = KubernetesObjectApi.makeApiClient(this.#config);
    this.#core = this.#config.makeApiClient(CoreV1Api);
  }

  /** @throws Error with what the server answers when it refuses */
  create(object: KubeObject): Promise<KubeObject> {
    return asked(() => this.#objects.create(object));
  }

  /** Server-side apply: the object is as given from then on, whether or not it was there. */
  apply(object: KubeObject): Promise<KubeObject> {
    const strategy = PatchStrategy.ServerSideApply;
    return asked(() => this.#objects.patch(object, undefined, undefined, fieldManager, true, strategy));
  }

  /** Changes the given fields alone. */
  merge(object: ObjectName & Fields): Promise<KubeObject> {
    const strategy = PatchStrategy.MergePatch;
    return asked(() => this.#objects.patch(object, undefined, undefined, fieldManager, undefined, strategy));
  }

  /** @returns undefined when there is none of that name */
  async get(name: ObjectName): Promise<KubeObject | undefined> {
    try {
      return await asked(() => this.#objects.read(name));
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** @param labelSelector such as "app=x" */
  async list(
    apiVersion: string,
    kind: string,
    namespace?: string,
    labelSelector?: string,
  ): Promise<KubeObject[]> {
    const none = undefined;
    const { items } = await asked<{ readonly items: readonly KubeObject[] }>(() =>
      this.#objects.list(apiVersion, kind, namespace, none, none, none, none, labelSelector),
    );
    // Objects of a list do not say what they are.
    return items.map((item) => ({ ...item, apiVersion, kind }));
  }

  /** Asks for its deletion; one that is gone already is fine. */
  async remove(name: ObjectName, gracePeriodSeconds?: number): Promise<void> {
    try {
      await asked(() => this.#objects.delete(name, undefined, undefined, gracePeriodSeconds));
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  /** What a container has written. */
  async logs(namespace: string, pod: string, container: string, previous = false): Promise<string> {
    const request = { namespace, name: pod, container, previous, tailLines: 200 };
    return (await asked(() => this.#core.readNamespacedPodLog(request))) ?? '';
  }

  /** Starts a command in a container, its streams in the caller's hands. */
  async spawn(
    namespace: string,
    pod: string,
    container: string,
    command: readonly string[],
  ): Promise<RunningCommand> {
    const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const ended = (status: V1Status): void => {
      stdout.end();
      stderr.end();
      resolve(exitStatus(status));
    };
    const exec = new Exec(this.#config);
    const argv = [...command];
    const socket = await exec.exec(namespace, pod, container, argv, stdout, stderr, stdin, false, ended);
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`The connection to ${command[0]} in ${pod} was lost.`)));
    promise.catch(() => undefined);
    return { stdin, stdout, stderr, status: promise };
  }

  /** Runs a command in a container to its end. */
  async run(
    namespace: string,
    pod: string,
    container: string,
    command: readonly string[],
  ): Promise<CommandOutcome> {
    const running = await this.spawn(namespace, pod, container, command);
    const [stdout, stderr, status] = await Promise.all([
      text(running.stdout),
      text(running.stderr),
      running.status,
    ]);
    return { status, stdout, stderr };
  }
}

/** The client's errors hold the answer as text inside of text. */
async function asked<T>(action: () => Promise<unknown>): Promise<T> {
  try {
    return (await action()) as T;
  } catch (error) {
    if (!(error instanceof ApiException)) throw error;
    throw new RefusedError(error.code, messageOf(error.body) ?? error.message);
  }
}

/** What the API server answered instead of doing what it was asked. */
export class RefusedError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

function isNotFound(error: unknown): boolean {
  return error instanceof RefusedError && error.status === 404;
}

function messageOf(body: unknown): string | undefined {
  try {
    const answer = typeof body === 'string' ? JSON.parse(body) : body;
    return typeof answer?.message === 'string' ? answer.message : undefined;
  } catch {
    return undefined;
  }
}

/** Of a command that has ended, from how the kubelet says it. */
function exitStatus({ status, details, message }: V1Status): number {
  if (status === 'Success') return 0;
  const code = details?.causes?.find(({ reason }) => reason === 'ExitCode')?.message;
  if (code === undefined) throw new Error(`The command could not be run: ${message}`);
  return Number(code);
}
