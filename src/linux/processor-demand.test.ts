import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertNothingLeaked, enterPrivateMounts } from '../../test/private-mounts.ts';
import { waitUntil } from '../../test/wait-until.ts';
import { processState } from './processes.ts';
import { processorDemand } from './processor-demand.ts';

enterPrivateMounts();
after(assertNothingLeaked);

test('a process that computes spends time and wants a processor; one that is stopped does neither', async () => {
  const child = spawn(process.execPath, ['--eval', 'for (;;);']);
  const pid = child.pid ?? assert.fail();
  const demand = () => processorDemand([pid]) ?? assert.fail('the kernel keeps no account');
  await waitUntil('it computes', () => demand().wantsProcessor);
  const { spentNs } = demand();
  await waitUntil('it gets on', () => demand().spentNs > spentNs);
  child.kill('SIGSTOP');
  await waitUntil('it has stopped', () => processState(pid)?.state === 'T' && !demand().wantsProcessor);
  const stopped = demand();
  await sleep(50);
  assert.deepEqual(demand(), stopped);
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
  assert.deepEqual(demand(), { spentNs: 0n, wantsProcessor: false });
});
