// Keeps what a run has measured in docs/performance/, from where the page is drawn.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { projectRoot } from '../tools/run-tool.ts';
import type { Setting } from './figure.ts';
import type { Machine } from './machine.ts';
import { type FigureResult, reportJsonLines } from './report.ts';

export interface Run {
  readonly setting: Setting;
  readonly pool: string;
  readonly machine: Machine;
  readonly isQuick: boolean;
  readonly results: readonly FigureResult[];
}

export function writePage({ results }: Run): void {
  const folder = path.join(projectRoot, 'docs/performance');
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'figures.jsonl'), reportJsonLines(results));
}

export function redrawPage(): void {
  throw new Error('there is no page yet');
}
