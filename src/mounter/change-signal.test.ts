import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChangeSignal } from './change-signal.ts';

const never = new AbortController().signal;

test('who has seen an older revision is not kept waiting', async () => {
  const changes = new ChangeSignal();
  const seen = changes.revision;
  changes.raise();
  await changes.after(seen, never);
  assert.equal(changes.revision, seen + 1n);
});

test('one change wakes everybody who waits, and many changes wake each once', async () => {
  const changes = new ChangeSignal();
  let woken = 0;
  const waiting = Array.from({ length: 5 }, () => changes.after(changes.revision, never).then(() => woken++));
  for (let change = 0; change < 3; change++) changes.raise();
  await Promise.all(waiting);
  assert.equal(woken, 5);
});

test('an abort ends the waiting without a change, and leaves no listener behind', async () => {
  const changes = new ChangeSignal();
  const withdrawn = new AbortController();
  const waiting = changes.after(changes.revision, withdrawn.signal);
  withdrawn.abort();
  await waiting;
  await changes.after(changes.revision, withdrawn.signal);
});
