// Every benchmark there is, in the order of the report.
import type { Figure } from './figure.ts';
import { besideABadPool } from './figures/beside-a-bad-pool.ts';
import { burst } from './figures/burst.ts';
import { cluster } from './figures/cluster.ts';
import { logReading } from './figures/log-reading.ts';
import { mapping } from './figures/mapping.ts';
import { memory } from './figures/memory.ts';
import { provisioning } from './figures/provisioning.ts';
import { publishBesideMounts } from './figures/publish-beside-mounts.ts';
import { publishCycle } from './figures/publish-cycle.ts';
import { rpc } from './figures/rpc.ts';
import { sharedMemory } from './figures/shared-memory.ts';
import { start } from './figures/start.ts';
import { timeToReady } from './figures/time-to-ready.ts';

export const figures: readonly Figure[] = [
  timeToReady,
  sharedMemory,
  mapping,
  publishCycle,
  publishBesideMounts,
  besideABadPool,
  burst,
  rpc,
  start,
  provisioning,
  cluster,
  logReading,
  memory,
];
