// Every benchmark there is, in the order of the report.
import type { Figure } from './figure.ts';
import { mapping } from './figures/mapping.ts';
import { publishCycle } from './figures/publish-cycle.ts';

export const figures: readonly Figure[] = [publishCycle, mapping];
