import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { parse } from 'yaml';
import { projectRoot } from '../run-tool.ts';

const folder = path.join(projectRoot, 'charts/famfs-csi/files/monitoring');
const read = (name: string): string => readFileSync(path.join(folder, name), 'utf8');

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly description: string };
}

const rules: readonly Rule[] = parse(read('alerts.yaml')).groups.flatMap(
  ({ rules: each }: { rules: Rule[] }) => each,
);
const dashboard = JSON.parse(read('dashboard.json'));
interface Panel {
  readonly id: number;
  readonly title: string;
  readonly type: string;
  readonly targets?: readonly { readonly expr: string }[];
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
}
const panels: readonly Panel[] = dashboard.panels;
const expressions = new Map<string, string>([
  ...rules.map(({ alert, expr }): [string, string] => [alert, expr]),
  ...panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }): [string, string] => [`panel ${title}`, expr]),
  ),
]);

/** Labels by metric, as docs/reference.md lists them out of the code; `role` and what Prometheus adds are on all. */
const labels = new Map<string, readonly string[]>(
  readFileSync(path.join(projectRoot, 'docs/reference.md'), 'utf8')
    .split('\n')
    .flatMap((line): [string, readonly string[]][] => {
      const [, name, named = ''] = /^\| `(famfs_csi_\w+)` \| \w+ \| ([^|]*) \|/.exec(line) ?? [];
      if (name === undefined) return [];
      return [[name, [...named.matchAll(/`(\w+)`/g)].map(([, label = '']) => label)]];
    }),
);
const everywhere = ['role', 'instance', 'node', 'le'];

describe('alerts and dashboard', () => {
  for (const [what, expression] of expressions) {
    test(`ask for metrics that there are, by labels that they have (${what})`, () => {
      const names = [
        ...expression.matchAll(/\b(famfs_csi_\w+?)(?:_bucket|_count|_sum)?(?![\w])(\{[^}]*\})?/g),
      ];
      assert.ok(names.length > 0);
      const known = new Set(everywhere);
      for (const [, name = '', selector = ''] of names) {
        const own = labels.get(name);
        assert.ok(own !== undefined, `no metric is called ${name}`);
        for (const label of own) known.add(label);
        for (const [, label = ''] of selector.matchAll(/(\w+)\s*(?:=|!=|=~|!~)\s*"/g))
          assert.ok([...own, ...everywhere].includes(label), `${name} has no label ${label}`);
      }
      for (const [, list = ''] of expression.matchAll(/\b(?:by|on)\s*\(([^)]*)\)/g))
        for (const label of list.split(',').map((word) => word.trim())) assert.ok(known.has(label), label);
      const depth = [...expression].reduce(
        (sum, sign) => sum + (sign === '(' ? 1 : sign === ')' ? -1 : 0),
        0,
      );
      assert.equal(depth, 0, 'brackets');
    });
  }

  test('say of each alert how bad it is, what it is and what to do', () => {
    assert.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length);
    for (const { alert, labels: own, annotations, for: pending } of rules) {
      assert.match(alert, /^Famfs[A-Z]/);
      assert.ok(['info', 'warning', 'critical'].includes(own.severity), alert);
      assert.match(pending, /^\d+[mh]$/, alert);
      assert.match(annotations.summary, /\.$/, alert);
      assert.ok(annotations.description.length > 20, alert);
    }
  });

  test('lie side by side on the dashboard, none over another', () => {
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
    for (const [index, { title, gridPos: a }] of panels.entries()) {
      assert.ok(a.x + a.w <= 24, title);
      for (const { title: other, gridPos: b } of panels.slice(index + 1)) {
        const apart = a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y;
        assert.ok(apart, `${title} and ${other}`);
      }
    }
  });
});
