// The one gate: everything that has to be true before a change lands, each step named with its time. Every step
// runs even after one has failed, so that one run shows all there is to mend; the exit status is 1 if any failed.
import { parseArgs, styleText } from 'node:util';
import { goVersion } from './go-program.ts';
import { runTool } from './run-tool.ts';

interface Step {
  readonly name: string;
  readonly script: string;
  readonly args?: readonly string[];
  /** Why this machine cannot take the step, if so. */
  readonly skip?: () => string | undefined;
}

type Outcome = 'passed' | 'failed' | `skipped: ${string}`;

// Code generation is not a step: tools/bootstrap.mjs does it before any script runs, whenever a proto has changed.
const steps: readonly Step[] = [
  { name: 'types', script: 'tools/types.ts' },
  { name: 'lint', script: 'tools/lint.ts' },
  {
    name: 'check:proto',
    script: 'tools/check-proto.ts',
    skip: withoutGo,
  },
  { name: 'test', script: 'tools/test.ts' },
  // API server and etcd are built once, which takes minutes.
  { name: 'e2e api', script: 'e2e/e2e.ts', args: ['api'], skip: withoutGo },
  { name: 'stress', script: 'tools/stress.ts' },
  { name: 'bundle', script: 'tools/bundle.ts' },
  // Helm and actionlint are built once.
  { name: 'chart', script: 'tools/chart/chart.ts', skip: withoutGo },
  { name: 'workflows', script: 'tools/check-workflows.ts', skip: withoutGo },
];

const { values } = parseArgs({
  options: {
    'without-tests': { type: 'boolean', default: false },
    'without-stress': { type: 'boolean', default: false },
    'without-e2e': { type: 'boolean', default: false },
    'without-chart': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(
    `npm run check [-- --without-tests --without-e2e --without-stress --without-chart]\n\nRuns: generate, ${steps.map(({ name }) => name).join(', ')}`,
  );
} else {
  const left = [
    values['without-tests'] ? 'test' : '',
    values['without-stress'] ? 'stress' : '',
    values['without-tests'] || values['without-e2e'] ? 'e2e api' : '',
    ...(values['without-chart'] ? ['chart', 'workflows'] : []),
  ];
  const chosen = steps.filter(({ name }) => !left.includes(name));
  process.exitCode = runSteps(chosen) ? 0 : 1;
}

function runSteps(chosen: readonly Step[]): boolean {
  const lines: string[] = [];
  let passed = true;
  for (const step of chosen) {
    console.log(styleText('bold', `\n▶ ${step.name}`));
    const startedAtMs = performance.now();
    const outcome = runStep(step);
    passed &&= outcome !== 'failed';
    const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1);
    lines.push(`  ${mark(outcome)} ${step.name.padEnd(12)} ${seconds.padStart(7)} s  ${outcome}`);
  }
  console.log(`\n${lines.join('\n')}\n`);
  return passed;
}

function withoutGo(): string | undefined {
  return goVersion() === undefined ? 'Go is not installed' : undefined;
}

function runStep({ script, args = [], skip }: Step): Outcome {
  const reason = skip?.();
  if (reason !== undefined) return `skipped: ${reason}`;
  return runTool(process.execPath, ['--disable-warning=ExperimentalWarning', script, ...args]) === 0
    ? 'passed'
    : 'failed';
}

function mark(outcome: Outcome): string {
  if (outcome === 'passed') return styleText('green', '✔');
  return outcome === 'failed' ? styleText('red', '✘') : styleText('yellow', '-');
}
