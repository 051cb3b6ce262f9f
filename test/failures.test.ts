// Holds docs/failures.md to the code: the tests that it names exist, and its answers are reasons with their gRPC codes.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { isReason } from '../src/errors.ts';
import { statusNameOf } from '../src/rpc/status.ts';

const root = path.dirname(import.meta.dirname);
const page = readFileSync(path.join(root, 'docs/failures.md'), 'utf8');

interface Row {
  readonly failure: string;
  readonly answer: string;
  readonly advice: string;
  readonly file: string;
  readonly title: string;
}

/** The rows of all tables that end with a test. */
const rows: readonly Row[] = page.split('\n').flatMap((line) => {
  const match = /^\| (.+?) \| (.+?) \| (.+?) \| `([\w./-]+)` "(.+)" \|$/.exec(line);
  if (match === null) return [];
  const [, failure = '', answer = '', advice = '', file = '', title = ''] = match;
  return [{ failure, answer, advice, file, title }];
});

/** What the page must speak of: the failures that a node can have, each by words that its row holds. */
const failures = [
  ...['stacked', 'wiped', 'is a file', 'symbolic link', 'FIFO', 'above the target is missing', 'still uses'],
  ...['daemon has died', 'state D', 'ended the daemon for want of memory', 'status 99', 'log grows'],
  ...['log is full', 'device is replaced', 'Two hosts', 'clock', 'state directory is full', 'read-only'],
  ...[
    'note about a bind is damaged',
    'restore from a snapshot',
    'registration socket',
    'SIGTERM of the node',
  ],
  ...['SIGTERM of the mounter', 'plugin is ended for want of memory', 'EMFILE', 'EAGAIN', '100,000'],
  ...['system call of a publish', 'disk of kubelet’s directory is full', '32 identical', '32 publishes'],
];

describe('docs/failures.md', () => {
  it('speaks of every failure that a node can have', () => {
    for (const failure of failures) {
      assert.ok(
        rows.some((row) => row.failure.includes(failure)),
        failure,
      );
    }
    const tableLines = page.split('\n').filter((line) => /^\| (?!failure|errno|---|E[A-Z]+ )/.test(line));
    assert.equal(rows.length, tableLines.length, 'every row ends with a test');
  });

  it('names tests that exist', () => {
    for (const { file, title } of rows) {
      const text = readFileSync(path.join(root, file), 'utf8');
      const isThere = ["'", '`'].some(
        (quote) =>
          new RegExp(`\\b(it|test)\\(\\s*${quote}`).test(text) && text.includes(`(${quote}${title}${quote}`),
      );
      assert.ok(isThere, `${file} has no test ${JSON.stringify(title)}`);
    }
  });

  it('has an answer with the gRPC code of each reason, and something to do', () => {
    for (const { failure, answer, advice } of rows) {
      for (const [, name = '', code] of answer.matchAll(/`([a-z-]+)`(?: \(([A-Z_]+)\))?/g)) {
        assert.ok(isReason(name), `${failure}: ${name}`);
        if (code !== undefined) assert.equal(code, statusNameOf(name), `${failure}: ${name}`);
      }
      assert.match(answer, /`[a-z-]+`|OK|UNAVAILABLE|[Rr]unning|the reason/, failure);
      assert.match(advice, /^[A-Z`].{5,}\.$/, failure);
    }
  });

  it('names reasons in its table of errnos', () => {
    const errnos = page.split('\n').filter((line) => /^\| E[A-Z]+ \|/.test(line));
    assert.equal(errnos.length, 11);
    for (const line of errnos) {
      const reasons = [...line.matchAll(/`([^`]+)`/g)].map(([, reason = '']) => reason);
      assert.equal(reasons.length, 3, line);
      for (const reason of reasons) assert.ok(isReason(reason), reason);
    }
  });
});
