// Holds docs/reference.md to the code: its tables are those that tools/reference-page.ts makes, and it names every condition,
// reason, phase, metric, label, taint and finalizer that the sources write, and no other.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { isReason, reasons } from '../src/errors.ts';
import { conditionReason } from '../src/kubernetes/conditions.ts';
import { referencePath, withReferenceTables } from '../tools/reference-page.ts';
import { projectRoot } from '../tools/run-tool.ts';

const page = readFileSync(referencePath, 'utf8');

/** Sources of the driver by path, without tests and what is generated. */
const sources: ReadonlyMap<string, string> = new Map(
  readdirSync(path.join(projectRoot, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && !file.includes('generated/'))
    .map((file) => [file, readFileSync(path.join(projectRoot, 'src', file), 'utf8')]),
);

/** The rows of the table below a heading, as lists of cells. */
function rowsBelow(heading: string): readonly (readonly string[])[] {
  const [, section = ''] = page.split(`\n${heading}\n`);
  const end = section.search(/^#/m);
  return (end === -1 ? section : section.slice(0, end))
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

function wordsIn(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, word = '']) => word);
}

function source(file: string): string {
  const text = sources.get(file);
  assert.ok(text !== undefined, file);
  return text;
}

/** Words in quotation marks that are written like a condition's reason. */
function capitalWords(file: string): ReadonlySet<string> {
  return new Set([...source(file).matchAll(/'([A-Z][A-Za-z]+)'/g)].map(([, word = '']) => word));
}

const driversReasons: ReadonlySet<string> = new Set(
  Object.keys(reasons).filter(isReason).map(conditionReason),
);

describe('docs/reference.md', () => {
  it('has the tables of the code', () => {
    assert.equal(
      page,
      withReferenceTables(page),
      'the page is older than the code: run node_modules/.bin/node tools/reference-page.ts',
    );
  });

  it('names every word that a condition of a pool or a node can have as its type or reason', () => {
    const conditions = rowsBelow('## Conditions');
    const named = new Set(
      conditions.flatMap(([type = '', , reason = '']) => [...wordsIn(type).slice(1), ...wordsIn(reason)]),
    );
    // Names of kinds, and the words that are no reasons: statuses, types of events, phases and roles that nodes report.
    const others = ['True', 'False', 'Unknown', 'Normal', 'Warning', 'FamfsPool', 'FamfsNode', 'FamfsVolume'];
    const reported = ['Found', 'Mounting', 'Unhealthy', 'Master', 'Client', 'Keep', 'Reuse', 'Refused'];
    const written = new Set<string>();
    const files = ['kubernetes/pool-status.ts', 'kubernetes/pool-format.ts', 'kubernetes/pool-verdict.ts'];
    for (const file of [
      ...files,
      'kubernetes/pool-reset.ts',
      'agent/node-report.ts',
      'kubernetes/volume-object.ts',
    ]) {
      for (const word of capitalWords(file)) {
        written.add(word);
        assert.ok(named.has(word) || others.includes(word) || reported.includes(word), `${file}: ${word}`);
      }
    }
    const phases = [...source('kubernetes/volume-object.ts').matchAll(/^ {2}([A-Z]\w+):/gm)].map(
      ([, word = '']) => word,
    );
    assert.equal(phases.length, 7, phases.join());
    for (const phase of phases) assert.ok(named.has(phase), phase);
    for (const word of named)
      assert.ok(
        written.has(word) || phases.includes(word) || driversReasons.has(word),
        `nothing writes ${word}`,
      );
  });

  it('names the driver’s reasons by which the controller itself judges a pool', () => {
    const text = source('kubernetes/pool-verdict.ts') + source('kubernetes/pool-format.ts');
    const judged = [...text.matchAll(/'([a-z-]+)'/g)].map(([, word = '']) => word).filter(isReason);
    const ready = rowsBelow('## Conditions').filter(([type]) => type === '`FamfsPool` `Ready`');
    assert.ok(judged.length >= 5, judged.join());
    for (const reason of judged)
      assert.ok(wordsIn(ready.flat().join()).includes(conditionReason(reason)), reason);
  });

  it('names every event', () => {
    const events = rowsBelow('## Events');
    const own = [...source('kubernetes/volume-notes.ts').matchAll(/reason: '([A-Z]\w+)'/g)];
    assert.ok(own.length > 0);
    for (const [, reason = ''] of own)
      assert.ok(
        events.some((row) => wordsIn(row.join()).includes(reason)),
        reason,
      );
    const recorders = [...sources].filter(([, text]) => /events\.record\(/.test(text)).map(([file]) => file);
    assert.deepEqual(recorders.sort(), [
      ...['kubernetes/pool-reconciler.ts', 'kubernetes/volume-reconciler.ts'],
      'roles/controller.ts',
    ]);
  });

  it('names every label, taint, annotation and finalizer under famfs.io', () => {
    const written = new Set(
      [...sources.values()].flatMap((text) =>
        [...text.matchAll(/'((?:[a-z]+\.)?famfs\.io\/(?!v1)[a-z-]+)'/g)].map(([, name = '']) => name),
      ),
    );
    const named = rowsBelow('## Labels, taints and finalizers').map(([name = '']) => wordsIn(name)[0] ?? '');
    assert.deepEqual(named.map((name) => name.replace(/UUID$/, '')).toSorted(), [...written].toSorted());
  });

  it('knows every metric that a source registers', () => {
    const names = [...sources.values()].flatMap((text) =>
      [...text.matchAll(/name: '(famfs_csi_\w+)'/g)].map(([, name = '']) => name),
    );
    assert.ok(names.length >= 6);
    const rows = rowsBelow('## Metrics').map(([name = '']) => wordsIn(name)[0]);
    for (const name of names) assert.ok(rows.includes(name), name);
  });

  it('says which roles serve the metrics of the process and of the API server', () => {
    for (const [call, sentence] of [
      ['addProcessMetrics(', /Process metrics are served by ([^.]*)\./],
      ['addApiMetrics(', /Requests to the API server are counted by ([^.]*)\./],
    ] as const) {
      const roles = [...sources]
        .filter(([file, text]) => file.startsWith('roles/') && text.includes(call))
        .map(([file]) => path.basename(file, '.ts'));
      const said = sentence.exec(page)?.[1];
      assert.deepEqual(said === 'no role yet' ? [] : wordsIn(said ?? '').toSorted(), roles.toSorted(), call);
    }
  });
});
