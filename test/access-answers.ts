// What an API server answers to somebody who may or may not. Must not know who asks for what.
import assert from 'node:assert/strict';
import type { ApiAnswer } from './api-requester.ts';

/** It was done. */
export function granted({ status, body }: ApiAnswer): void {
  assert.ok(status === 200 || status === 201, JSON.stringify(body));
}

/** Forbidden by RBAC: no role of the token allows it. */
export function noRole({ status, body }: ApiAnswer): void {
  assert.equal(status, 403, JSON.stringify(body));
  assert.match(body.message, /cannot \w+ resource/);
}

/** Forbidden by the policy for nodes, or another, in these words. */
export function denied({ status, body }: ApiAnswer, words: RegExp, policy = 'famfs-csi-node'): void {
  assert.equal(status, 403, JSON.stringify(body));
  assert.ok(body.message.includes(`ValidatingAdmissionPolicy '${policy}'`), body.message);
  assert.match(body.message, words);
}
