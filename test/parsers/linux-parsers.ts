// The parsers of text that the kernel writes. A process chooses parts of it: its name, its paths, its mount options.
import { readFileSync } from 'node:fs';
import { parseEffectiveCapabilities } from '../../src/linux/capabilities.ts';
import { parseCgroupMembership } from '../../src/linux/cgroups.ts';
import { parseSmaps } from '../../src/linux/memory-map.ts';
import { parseMountTable } from '../../src/linux/mount-table.ts';
import { parseProcessState } from '../../src/linux/processes.ts';
import { bytesOf, isFormatError, type Parser } from './parser.ts';

const mountTables = readFileSync(new URL('../fixtures/famfs/mount-table.jsonl', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => JSON.parse(line) as { mountinfo: string[]; otherMountinfo?: string[] })
  .map(({ mountinfo, otherMountinfo = [] }) => [...otherMountinfo, ...mountinfo].join('\n'));

function textParser(name: string, parse: (text: string) => unknown, samples: readonly Buffer[]): Parser {
  return {
    name,
    covers: [parse.name],
    samples,
    words: ['\\040', '\\134', ' - ', '(deleted)', '99999999999999999999999', '0x', '-1', ')', '(', ':'],
    maximumBytes: 1 << 20,
    share: 0.7,
    run: (input) => describe(parse(input.toString('latin1'))),
    isAnswer: isFormatError,
  };
}

function describe(value: unknown): unknown {
  return Array.isArray(value) ? value.length : value;
}

export const linuxParsers: readonly Parser[] = [
  textParser('mount table', parseMountTable, bytesOf(...new Set(mountTables))),
  textParser(
    'process state',
    parseProcessState,
    bytesOf(
      readFileSync('/proc/self/stat', 'utf8'),
      '7 (a b) c)) S 1 7 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 123 0',
    ),
  ),
  textParser(
    'effective capabilities',
    parseEffectiveCapabilities,
    bytesOf(readFileSync('/proc/self/status', 'utf8'), 'CapEff:\t000001ffffffffff\n'),
  ),
  textParser(
    'control groups',
    parseCgroupMembership,
    bytesOf('0::/user.slice/a.scope\n', '12:cpu,cpuacct:/kubepods/pod1\n1:name=systemd:/x:y\n0::/\n'),
  ),
  textParser(
    'smaps',
    parseSmaps,
    bytesOf(
      readFileSync('/proc/self/smaps_rollup', 'utf8'),
      '7f00-7f01 r--s 00200000 00:2a 99 /run/famfs/p/v/x (deleted)\nSize: 4 kB\nRss: 4 kB\nVmFlags: rd sh mr\n',
    ),
  ),
];
