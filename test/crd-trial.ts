// Requests that try the rules of the CRDs in an API server: what is let through, what is refused and in which words. Must not
// know which rules there are.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { ApiAnswer } from './api-requester.ts';
import { ApiServer } from './api-server.ts';
import { chartObjects } from './driver-objects.ts';

export type Json = Record<string, unknown>;

/** A status condition as any of the kinds may have it. */
export const anyCondition = {
  type: 'Ready',
  status: 'True',
  reason: 'PoolServes',
  message: 'All is well.',
  lastTransitionTime: '2026-11-22T12:00:00Z',
} as const;

export function newObjectName(): string {
  return `crds-${randomBytes(6).toString('hex')}`;
}

export class CrdTrial {
  readonly server: ApiServer;
  readonly #refusals = new Set<string>();
  readonly #made: string[] = [];

  private constructor(server: ApiServer) {
    this.server = server;
  }

  static async start(): Promise<CrdTrial> {
    const server = await ApiServer.start();
    await server.installCrds();
    return new CrdTrial(server);
  }

  /** Takes back what was made. */
  async stop(): Promise<void> {
    for (const route of this.#made) await this.server.request('DELETE', route);
    await this.server.stop();
  }

  /** Makes an object; what the server has of it. */
  async create(object: Json): Promise<Json> {
    const { status, body } = await this.server.request('POST', folderOf(object), object);
    assert.equal(status, 201, JSON.stringify(body));
    this.#made.push(routeOf(object));
    return body;
  }

  /** The object could be made. */
  async accepted(object: Json): Promise<void> {
    const { status, body } = await this.server.request('POST', `${folderOf(object)}?dryRun=All`, object);
    assert.equal(status, 201, JSON.stringify(body));
  }

  /** The object is not made, and the server says why in these words. */
  async refused(object: Json, words: string): Promise<void> {
    this.#refusedWith(await this.server.request('POST', `${folderOf(object)}?dryRun=All`, object), words);
  }

  /** @param part `/status`, or nothing for the rest of the object */
  async changed(object: Json, patch: Json, part = ''): Promise<void> {
    const { status, body } = await this.server.request('PATCH', `${routeOf(object)}${part}`, patch);
    assert.equal(status, 200, JSON.stringify(body));
  }

  /** The object is there and cannot be changed so; the server says why in these words. */
  async unchangeable(object: Json, patch: Json, words: string, part = ''): Promise<void> {
    this.#refusedWith(await this.server.request('PATCH', `${routeOf(object)}${part}`, patch), words);
  }

  /** The rules (x-kubernetes-validations) of a kind that have refused nothing so far, by their messages. */
  untried(kind: string): readonly string[] {
    const crd = chartObjects('crds').find(
      (each) => (each as unknown as { spec: { names: { kind: string } } }).spec.names.kind === kind,
    );
    const messages = [...JSON.stringify(crd).matchAll(/"message":("(?:[^"\\]|\\.)*")/g)].map(
      ([, message = '""']): string => JSON.parse(message),
    );
    assert.ok(messages.length > 0, `${kind} has no rules`);
    return messages.filter((message) => !this.#refusals.has(message));
  }

  #refusedWith({ status, body }: ApiAnswer, words: string): void {
    assert.equal(status, 422, `${JSON.stringify(body)} instead of: ${words}`);
    assert.ok(body.message?.includes(words), `${body.message} instead of: ${words}`);
    this.#refusals.add(words);
  }
}

function folderOf(object: Json): string {
  return `/apis/famfs.io/v1alpha1/${String(object.kind).toLowerCase()}s`;
}

export function routeOf(object: Json): string {
  return `${folderOf(object)}/${(object.metadata as { name: string }).name}`;
}
