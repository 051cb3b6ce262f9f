// Every parser of the driver, for tests that feed them what nobody would write.
import { famfsParsers } from './famfs-parsers.ts';
import { linuxParsers } from './linux-parsers.ts';
import type { Parser } from './parser.ts';
import { requestParsers } from './request-parsers.ts';

export const allParsers: readonly Parser[] = [...famfsParsers, ...linuxParsers, ...requestParsers];
