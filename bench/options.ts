// The command line of `npm run bench`.
import { parseArgs } from 'node:util';
import type { Effort, Figure, Setting } from './figure.ts';
import { figures } from './figures.ts';

/** The pool of a run on hardware: it was there before, and outlives the run. */
export interface ExistingPool {
  readonly uuid: string;
  /** Directory of the pool below which the benchmark's files lie. */
  readonly base: string;
  /** Whether files that are missing may be made there; famfs can never remove them. */
  readonly mayCreate: boolean;
  /** What leads the mounter to devices and famfs programs, where its defaults do not. */
  readonly mounterFlags: Readonly<Record<string, string>>;
}

export interface Options {
  readonly chosen: readonly Figure[];
  /** Not all figures were asked for. */
  readonly isPart: boolean;
  readonly effort: Effort;
  readonly setting: Setting;
  readonly pool: ExistingPool | undefined;
  readonly strict: boolean;
  readonly json: string | undefined;
  readonly svg: string | undefined;
  /** Write the page and its pictures: after measuring, or from what was measured before. */
  readonly page: 'measure' | 'redraw' | undefined;
}

export const usage = `npm run bench [-- OPTIONS]

  --only NAME      measure only this, again for more: ${figures.map(({ name }) => name).join(', ')}
  --json FILE      also write JSON lines {name, value, unit, goal, met, …}
  --svg FILE       also draw a chart of all ratios
  --quick          little work: shows that everything runs, not how fast it is
  --self-check     put the peer in the driver's place: every ratio has to be near 1, or the benchmark is unfair
  --strict         exit 1 when a goal is missed
  --page           also write docs/performance.md and its pictures, after every figure; with --only the others stay
  --redraw         write page and pictures from what was measured before; measures nothing
  --help

On a pool that exists, on memory of your own (docs/performance.md tells what it does there):

  --hardware             measure there instead of on the simulator; --page then fills the column of the hardware
  --pool UUID            the pool; no other process may have it mounted, and this node has to be its master
  --path DIR             directory of the pool for the benchmark's files (famfs-csi-bench)
  --create               make the files that are missing, 10 GiB of them (0.1 with --quick); they stay for good
  --mounter FLAG=VALUE   a flag of the mounter, again for more: mode=standalone, famfs-bin-dir=/opt/famfs/bin, …
`;

const thorough: Effort = {
  isQuick: false,
  rounds: 7,
  cycles: 250,
  warmUpCycles: 20,
  serverWarmUpCycles: 6000,
  mappingRounds: 101,
  touches: 2 ** 19,
};
const quick: Effort = {
  isQuick: true,
  rounds: 2,
  cycles: 16,
  warmUpCycles: 8,
  serverWarmUpCycles: 0,
  mappingRounds: 3,
  touches: 2 ** 14,
};

const flags = {
  only: { type: 'string', multiple: true },
  json: { type: 'string' },
  svg: { type: 'string' },
  quick: { type: 'boolean', default: false },
  'self-check': { type: 'boolean', default: false },
  strict: { type: 'boolean', default: false },
  page: { type: 'boolean', default: false },
  redraw: { type: 'boolean', default: false },
  hardware: { type: 'boolean', default: false },
  pool: { type: 'string' },
  path: { type: 'string', default: 'famfs-csi-bench' },
  create: { type: 'boolean', default: false },
  mounter: { type: 'string', multiple: true },
  help: { type: 'boolean', default: false },
} as const;

/**
 * Reads the arguments; undefined when help is asked for.
 * @throws Error in words for the person who typed them
 */
export function readOptions(args: readonly string[] = process.argv.slice(2)): Options | undefined {
  const { values } = parseArgs({ args: [...args], options: flags });
  if (values.help) return undefined;
  const setting = values.hardware ? 'hardware' : values['self-check'] ? 'self-check' : 'simulated';
  const problem = contradiction(values);
  if (problem !== undefined) throw new Error(`${problem}\n\n${usage}`);
  return {
    chosen: figures.filter((figure) => isChosen(figure, setting, values.only)),
    isPart: values.only !== undefined,
    effort: values.quick ? quick : thorough,
    setting,
    pool:
      setting === 'hardware'
        ? {
            uuid: values.pool ?? '',
            base: values.path,
            mayCreate: values.create,
            mounterFlags: Object.fromEntries((values.mounter ?? []).map(splitFlag)),
          }
        : undefined,
    strict: values.strict,
    json: values.json,
    svg: values.svg,
    page: values.redraw ? 'redraw' : values.page ? 'measure' : undefined,
  };
}

function contradiction(values: {
  readonly only?: readonly string[] | undefined;
  readonly hardware: boolean;
  readonly 'self-check': boolean;
  readonly page: boolean;
  readonly pool?: string | undefined;
  readonly path: string;
  readonly create: boolean;
  readonly mounter?: readonly string[] | undefined;
}): string | undefined {
  const unknown = values.only?.find((name) => figures.every((figure) => figure.name !== name));
  if (unknown !== undefined) return `there is no benchmark "${unknown}"`;
  if (values.hardware && values['self-check']) return '--hardware and --self-check do not go together';
  if (values['self-check'] && values.page) return 'a self-check is no figure for the page';
  if (values.hardware && !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(values.pool ?? ''))
    return '--hardware needs --pool with the UUID of a pool; "famfs-csi inspect" tells it';
  const misplaced = (['pool', 'create', 'mounter'] as const).find((name) => isGiven(values[name]));
  if (!values.hardware && misplaced !== undefined) return `--${misplaced} is for --hardware`;
  if (!/^[\w][\w.-]*(\/[\w][\w.-]*)*$/.test(values.path))
    return `--path needs a directory of the pool such as famfs-csi-bench, not ${JSON.stringify(values.path)}`;
  return undefined;
}

function isGiven(value: string | boolean | readonly string[] | undefined): boolean {
  return value !== undefined && value !== false;
}

function isChosen(
  { name, settings = ['simulated'] }: Figure,
  setting: Setting,
  only: readonly string[] | undefined,
): boolean {
  return settings.includes(setting) && (only?.includes(name) ?? true);
}

function splitFlag(text: string): [string, string] {
  const [, name = '', value = ''] = /^(?:--)?([a-z-]+)=(.*)$/s.exec(text) ?? [];
  if (name === '') throw new Error(`--mounter needs FLAG=VALUE, not ${JSON.stringify(text)}`);
  return [name, value];
}
